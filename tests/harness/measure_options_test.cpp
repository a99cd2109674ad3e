#include "harness/measure_options.h"

#include "harness/error.h"
#include "tests/support/catch.h"

namespace tern::harness {
namespace {

using Catch::Matchers::Contains;

MeasureOptions parse(const std::vector<std::string>& args) {
  return parse_measure_options(args).value();
}

TEST_CASE("everything behind the first -- is the command's, as it stands") {
  const MeasureOptions options =
      parse({"-r", "3", "--", "run_it", "--a_b", "-ub", "--", "-r", "9", ""});
  CHECK(options.repetitions == 3);
  CHECK(options.argv == std::vector<std::string>{"run_it", "--a_b", "-ub", "--", "-r", "9", ""});
}

TEST_CASE("options and their defaults") {
  const MeasureOptions plain = parse({"--", "true"});
  CHECK(plain.repetitions == 1);
  CHECK(plain.warmup == 0);
  CHECK(plain.delay_s == 0);
  CHECK(plain.idle_s == 0);
  CHECK(plain.store);
  CHECK_FALSE(plain.require_energy);
  CHECK(plain.sysroot == "/");
  CHECK(plain.report.empty());
  CHECK(plain.format == MeasureFormat::kMarkdown);
  const MeasureOptions all =
      parse({"--warmup", "2", "--delay", "0.5", "--idle", "10", "--require-energy", "--report", "-",
             "-o", "csv", "--no-store", "--sysroot", "/tmp", "--", "true"});
  CHECK(all.warmup == 2);
  CHECK(all.delay_s == 0.5);
  CHECK(all.idle_s == 10);
  CHECK(all.require_energy);
  CHECK(all.report == "-");
  CHECK(all.format == MeasureFormat::kCsv);
  CHECK_FALSE(all.store);
  CHECK(all.sysroot == "/tmp");
}

TEST_CASE("a bad command line is one sentence") {
  const auto why = [](const std::vector<std::string>& args) -> std::string {
    try {
      parse_measure_options(args);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  CHECK_THAT(why({}), Contains("expected -- and a command"));
  CHECK_THAT(why({"--"}), Contains("expected -- and a command"));
  CHECK_THAT(why({"sleep", "1"}), Contains("got \"sleep\""));
  CHECK_THAT(why({"--nonsense", "--", "true"}), Contains("got \"--nonsense\""));
  CHECK_THAT(why({"-r", "0", "--", "true"}), Contains("-r: expected 1 to"));
  CHECK_THAT(why({"-r", "x", "--", "true"}), Contains("x"));
  CHECK_THAT(why({"--delay", "nan", "--", "true"}), Contains("--delay: expected 0 to"));
  CHECK_THAT(why({"--idle", "-1", "--", "true"}), Contains("--idle: expected 0 to"));
  CHECK_THAT(why({"-o", "xml", "--", "true"}), Contains("got \"xml\""));
  CHECK_THAT(why({"--sysroot", "/no/where", "--", "true"}), Contains("/no/where"));
}

}  // namespace
}  // namespace tern::harness
