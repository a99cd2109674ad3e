#pragma once
// Raw readings of a meter as text, one line each: t_ns,domain,raw,errno. Replayed, they go through
// the same arithmetic as on the day they were taken, and give the same joules to the last bit.

#include <string>
#include <string_view>
#include <vector>

#include "energy/energy_source.h"
#include "energy/external/parsed.h"

namespace tern::energy {

struct Trace {
  SourceInfo info;
  // Readings of all domains together, in info.domains order, as EnergySource::read gives them:
  // readings.size() is a multiple of info.domains.size().
  std::vector<Reading> readings;
};

// Lines "t_ns,domain,raw,errno", below that header or without it; raw may be empty where errno is
// not 0. Domains' names are printable ASCII. The first group ends where its first name
// comes again; each group then has to hold the same domains in the same order. A first line
// "#tern.trace {…}" describes the meter. Without it the domains are judged by their names as
// powercap has them ("package-0", "package-0/dram", "psys", "wall"), counts are microjoules and no
// counter wraps, so that a fall is refused. Other lines that start with # and empty ones are
// comments.
Parsed<Trace> parse_trace(std::string_view text);

// The same of a trace that is being written: what follows its last line break, and a group that is
// not complete, are left for later, and there need be no reading yet.
Parsed<Trace> parse_trace_so_far(std::string_view text);

// The text that parses to trace; domains' names must not hold line breaks.
std::string to_text(const Trace& trace);

}  // namespace tern::energy
