#pragma once
// In which order the subjects of a study take their turns, so that a machine that drifts favours
// nobody. Pure arithmetic; Study runs what it says.

#include <cstddef>
#include <string>
#include <vector>

namespace tern::harness {

// The subjects of one round (a "pair", each subject once), in the order they run. Every odd round
// is the one before it backwards: of any two subjects each comes first as often as the other. Two
// subjects thus run ABBA. The even rounds are the rows of a Williams design (E. J. Williams,
// "Experimental designs balanced for the estimation of residual effects of treatments", 1949): over
// order_cycle() rounds each subject runs equally often in every position, and equally often right
// behind every other one.
std::vector<std::size_t> trial_order(std::size_t subjects, int round);

// Rounds until the order repeats: 2 for two subjects, 6 for three, 4 for four, 10 for five.
int order_cycle(std::size_t subjects) noexcept;

// What a record's protocol says: "ABBA"; for more subjects the rounds of a cycle, "ABC CBA …".
std::string order_text(std::size_t subjects);

}  // namespace tern::harness
