#pragma once
// Text that came from outside: numbers that fill it, pieces of it fit for a message, and files of
// bounded size. Refuses what is not finite, and files that are not plain ones.

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "energy/external/parsed.h"

namespace tern::energy {

// In quotation marks, at most 60 bytes of it, everything but printable ASCII as '?'.
std::string shown(std::string_view text);

// A finite decimal number that fills the text.
std::optional<double> parse_finite(std::string_view text) noexcept;

// Up to four significant digits.
std::string short_number(double value);

// The text before the next separator, or all of it; both are taken from rest.
std::string_view take_field(std::string_view& rest, char separator) noexcept;

// Calls each(number, line) for every line, numbered from 1, without its "\n" or "\r\n", until it
// returns a reason to stop; gives that reason.
std::string for_each_line(std::string_view text,
                          const std::function<std::string(int, std::string_view)>& each);

// The whole of a plain file of at most 64 MiB.
Parsed<std::string> read_text_file(const std::string& path);

}  // namespace tern::energy
