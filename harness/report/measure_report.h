#pragma once
// What `tern measure` says of a command, computed from its record alone, so that a stored run and a
// fresh one read the same: mean, standard deviation and 95 % interval of every figure over the
// repetitions, and for whatever was not measured its reason.

#include <string>
#include <vector>

#include "harness/record.h"

namespace tern::harness {

// One figure over the repetitions that had it.
struct MeasuredFigure {
  std::string name;            // "energy, J"
  std::vector<double> values;  // in the order of the repetitions
};

// Of the repetitions that succeeded; where none did, of those that failed.
std::vector<MeasuredFigure> measured_figures(const Record& record);

// Half the 95 % Student-t interval of the mean; needs two values.
double half_interval(const std::vector<double>& values);

// What the reader must know beside the figures, one sentence each: how joules were obtained or why
// they were not, what they leave out, how sure they are.
std::vector<std::string> measure_notes(const Record& record);

// Whether the record holds repetitions of a command.
bool has_commands(const Record& record);

// A table and notes; empty where there are no repetitions.
std::string measure_markdown(const Record& record);

// One row per repetition, failed ones included; what was not measured is an empty cell and a
// reason.
std::string measure_csv(const Record& record);

}  // namespace tern::harness
