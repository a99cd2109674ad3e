#include "energy/external/text.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <system_error>

#include "energy/sysfs_file.h"

namespace tern::energy {
namespace {

constexpr std::size_t kShownBytes = 60;
constexpr std::size_t kFileLimit = std::size_t{64} << 20;

Parsed<std::string> unreadable(const std::string& path, const std::string& why) {
  return Parsed<std::string>::failed(path + ": " + why);
}

Parsed<std::string> read_all(int fd, const std::string& path) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return unreadable(path, error_text(errno));
  if (!S_ISREG(status.st_mode)) return unreadable(path, "expected a plain file");
  std::string text;
  char buffer[65536];
  while (text.size() <= kFileLimit) {
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return unreadable(path, error_text(errno));
    if (got == 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
  }
  return unreadable(path, "expected at most 64 MiB, got more");
}

}  // namespace

std::string shown(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text.substr(0, kShownBytes)) {
    quoted += c >= ' ' && c <= '~' ? c : '?';
  }
  return quoted + (text.size() > kShownBytes ? "…\"" : "\"");
}

std::optional<double> parse_finite(std::string_view text) noexcept {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

std::string_view take_field(std::string_view& rest, char separator) noexcept {
  const std::size_t end = rest.find(separator);
  const std::string_view field = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  return field;
}

std::string for_each_line(std::string_view text,
                          const std::function<std::string(int, std::string_view)>& each) {
  for (int number = 1; !text.empty(); ++number) {
    std::string_view line = take_field(text, '\n');
    if (line.ends_with('\r')) line.remove_suffix(1);
    std::string stop = each(number, line);
    if (!stop.empty()) return stop;
  }
  return "";
}

Parsed<std::string> read_text_file(const std::string& path) {
  // Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return unreadable(path, error_text(errno));
  Parsed<std::string> text = read_all(fd, path);
  ::close(fd);
  return text;
}

}  // namespace tern::energy
