#include "energy/mirrors.h"

#include "tests/energy/simulated_rapl.h"
#include "tests/support/catch.h"

using namespace tern::energy;
using tern::tests::rapl_domain;
using tern::tests::rapl_info;

namespace {

// One step of each counter per second; the second reading of a window is its end.
struct Fixture {
  SourceInfo info;
  std::vector<DomainAccumulator> counters;
  std::vector<Reading> readings;
  Mirrors mirrors;
  std::int64_t time_ns = 1;

  explicit Fixture(SourceInfo i)
      : info(std::move(i)), readings(info.domains.size()), mirrors(info) {}

  void begin() {
    counters.clear();
    for (Domain domain : info.domains) {
      domain.max_silence_s = 1e9;
      counters.emplace_back(domain);
    }
    mirrors.begin();
    step(0, std::vector<double>(info.domains.size(), 0));
  }
  void step(double time_s, const std::vector<double>& joules) {
    time_ns += 1 + static_cast<std::int64_t>(time_s * 1e9);
    for (std::size_t i = 0; i < joules.size(); ++i) {
      readings[i].raw += static_cast<std::uint64_t>(joules[i] * 1e6);
      readings[i].time_ns = time_ns;
      counters[i].feed(readings[i]);
    }
    mirrors.compare(counters, readings);
  }
  std::vector<MirrorVerdict> judge(double window_s) {
    return mirrors.judge(counters, window_s, 2e-3);
  }
};

SourceInfo dies(int count, int packages = 1) {
  std::vector<Domain> domains;
  for (int i = 0; i < count; ++i) {
    domains.push_back(rapl_domain("die-" + std::to_string(i), DomainKind::kPackage, i % packages));
  }
  return rapl_info(std::move(domains));
}

}  // namespace

TEST_CASE("dies of one package that advance equally are one counter") {
  Fixture f(dies(3));
  f.begin();
  f.step(1, {100, 100.1, 99.9});
  const auto verdicts = f.judge(1);
  REQUIRE(verdicts.size() == 2);
  for (const MirrorVerdict& verdict : verdicts) {
    CHECK(verdict.kept == 0);
    CHECK(verdict.mirrored);
    CHECK_FALSE(verdict.unresolved);
  }
  CHECK(verdicts[0].other == 1);
  CHECK(verdicts[1].other == 2);
}

TEST_CASE("equal counters of two packages, or of package and memory, are two") {
  Fixture packages(dies(2, 2));
  packages.begin();
  packages.step(1, {100, 100});
  CHECK(packages.judge(1).empty());
  SourceInfo info = dies(2);
  info.domains[1].kind = DomainKind::kDram;
  Fixture kinds(info);
  kinds.begin();
  kinds.step(1, {100, 100});
  CHECK(kinds.judge(1).empty());
  info = dies(2);
  for (Domain& domain : info.domains) domain.package = -1;
  Fixture unknown(info);
  unknown.begin();
  unknown.step(1, {100, 100});
  CHECK(unknown.judge(1).empty());
}

TEST_CASE("real dies whose sums happen to meet were apart on the way") {
  Fixture f(dies(2));
  f.begin();
  f.step(1, {100, 90});
  f.step(1, {90, 100});
  CHECK(f.judge(2).empty());
  // And apart once is apart for ever.
  f.begin();
  f.step(1, {100, 100});
  CHECK(f.judge(1).empty());
}

TEST_CASE("a difference of one per cent makes two dies") {
  Fixture f(dies(2));
  f.begin();
  f.step(1, {100, 99});
  CHECK(f.judge(1).empty());
}

TEST_CASE("a window too short to tell is unresolved until a longer one told") {
  Fixture f(dies(2));
  f.begin();
  f.step(0.1, {10, 10.1});
  auto verdicts = f.judge(0.1);
  REQUIRE(verdicts.size() == 1);
  CHECK(verdicts[0].unresolved);
  CHECK_FALSE(verdicts[0].mirrored);
  f.begin();
  f.step(1, {100, 100});
  REQUIRE(f.judge(1).size() == 1);
  f.begin();
  f.step(0.1, {10, 10.1});
  verdicts = f.judge(0.1);
  REQUIRE(verdicts.size() == 1);
  CHECK(verdicts[0].mirrored);
}

TEST_CASE("in a copied tree only the whole window counts") {
  SourceInfo info = dies(2);
  info.live = false;
  Fixture f(info);
  f.begin();
  f.step(1, {100, 90});  // the author stood between the files
  f.step(1, {90, 100});
  REQUIRE(f.judge(2).size() == 1);
  f.begin();
  f.step(1, {100, 98});
  CHECK(f.judge(1).empty());
  f.begin();
  f.step(1, {100, 100});
  CHECK(f.judge(1).size() == 1);
}

TEST_CASE("counters that failed or did not move are no pair") {
  Fixture f(dies(2));
  f.begin();
  f.step(1, {0, 0});
  CHECK(f.judge(1).empty());
  f.begin();
  f.readings[1].error = 5;
  f.step(1, {100, 100});
  CHECK(f.judge(1).empty());
}
