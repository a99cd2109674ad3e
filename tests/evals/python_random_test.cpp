// Expected values were printed by CPython's random module.
#include "evals/python_random.h"

#include "tests/support/catch.h"

namespace tern::tests {
namespace {

using evals::PythonRandom;
using Indices = std::vector<std::size_t>;

TEST_CASE("bits of seed 1234 and of seed 0") {
  PythonRandom random(1234);
  CHECK(random.bits(32) == 4150886329U);
  CHECK(random.bits(32) == 3342196574U);
  CHECK(random.bits(32) == 1892932127U);
  CHECK(random.bits(32) == 501869158U);
  CHECK(random.bits(13) == 61U);
  CHECK(random.bits(1) == 0U);
  for (int i = 0; i < 700; ++i) random.bits(32);  // into the next state
  CHECK(random.bits(32) == 3000044814U);
  CHECK(PythonRandom(0).bits(32) == 3626764237U);
  CHECK(PythonRandom(4294967295U).bits(32) == 2728839433U);
}

TEST_CASE("numbers below a bound") {
  PythonRandom random(1234);
  CHECK(random.below(1U) == 0U);
  CHECK(random.below(2U) == 0U);
  CHECK(random.below(3U) == 0U);
  CHECK(random.below(10U) == 1U);
  CHECK(random.below(8U) == 0U);
  CHECK(random.below(1000U) == 687U);
  CHECK(random.below(7473U) == 5677U);
  CHECK(random.below(2147483649U) == 360511942U);
}

TEST_CASE("samples, from a small population and from a large one") {
  PythonRandom random(1234);
  CHECK(random.sample(7473, 5) == Indices{6374, 3610, 957, 61, 742});
  CHECK(random.sample(7473, 5) == Indices{7462, 6610, 4769, 286, 5501});
  CHECK(random.sample(8, 5) == Indices{1, 0, 2, 7, 6});
  CHECK(random.sample(5, 5) == Indices{0, 4, 1, 2, 3});
  CHECK(random.sample(21, 5) == Indices{4, 2, 5, 3, 0});
  CHECK(random.sample(22, 5) == Indices{16, 15, 7, 2, 21});
  CHECK(random.sample(22, 1) == Indices{17});
  CHECK(random.sample(85, 6) == Indices{59, 8, 76, 11, 65, 74});
  CHECK(random.sample(86, 6) == Indices{5, 34, 71, 8, 82, 38});
  CHECK(random.sample(300, 22) == Indices{246, 181, 136, 127, 102, 232, 271, 9,   260, 36, 2,
                                          170, 73,  242, 193, 85,  27,  39,  254, 83,  38, 285});
  CHECK(random.sample(7473, 8) == Indices{1762, 1181, 222, 2836, 6315, 908, 4339, 1156});
  CHECK(random.sample(1, 1) == Indices{0});
  CHECK(random.sample(3, 0) == Indices{});
}

// Each way draws something else from these seeds, so the threshold between them shows.
TEST_CASE("the way of drawing changes at Python's own sizes") {
  CHECK(PythonRandom(2).sample(21, 5) == Indices{1, 2, 19, 11, 5});
  CHECK(PythonRandom(2).sample(22, 5) == Indices{1, 2, 11, 5, 21});
  CHECK(PythonRandom(5).sample(85, 6) == Indices{79, 32, 45, 67, 3, 59});
  CHECK(PythonRandom(2).sample(86, 6) == Indices{7, 11, 10, 46, 21, 85});
  CHECK(PythonRandom(2).sample(277, 22) == Indices{28,  46,  43,  184, 86,  157, 128, 108,
                                                   18,  81,  220, 201, 260, 190, 227, 257,
                                                   137, 268, 14,  186, 238, 163});
  CHECK(PythonRandom(2).sample(278, 22) == Indices{28,  46, 43,  184, 86,  157, 128, 108,
                                                   18,  81, 220, 201, 260, 190, 227, 257,
                                                   137, 14, 186, 238, 163, 194});
}

}  // namespace
}  // namespace tern::tests
