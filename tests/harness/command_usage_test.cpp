#include "harness/command_usage.h"

#include <nlohmann/json.hpp>

#include "harness/record.h"
#include "tests/harness/sample_trials.h"
#include "tests/support/catch.h"

namespace tern::harness {
namespace {

using nlohmann::json;

TEST_CASE("the usage of a command survives the way through a record") {
  CommandUsage usage;
  usage.exit_code = 137;
  usage.signal = 9;
  usage.user_ns = 9'007'199'254'740'993;  // not a double
  usage.system_ns = 2;
  usage.peak_rss_bytes = 3 << 20;
  usage.why = "it was ended by SIGKILL";
  const json object = to_json(usage);
  CHECK(object["status"] == "failed");
  CHECK_FALSE(object.contains("why_no_peak_rss"));
  const CommandUsage again = command_usage_from_json(object);
  CHECK(again.exit_code == 137);
  CHECK(again.signal == 9);
  CHECK(again.user_ns == usage.user_ns);
  CHECK(again.system_ns == 2);
  CHECK(again.peak_rss_bytes == usage.peak_rss_bytes);
  CHECK(again.why == usage.why);
}

TEST_CASE("memory that is not known is a reason and no number") {
  CommandUsage usage;
  usage.why_no_peak = "too small";
  const json object = to_json(usage);
  CHECK(object["status"] == "ok");
  CHECK_FALSE(object.contains("peak_rss_bytes"));
  CHECK_FALSE(object.contains("signal"));
  CHECK(command_usage_from_json(object).why_no_peak == "too small");
}

TEST_CASE(
    "a trial keeps its command and its idle power, where there are joules to hold it against") {
  Trial trial = measured_trial(0);
  CHECK_FALSE(trial_from_json(to_json(trial)).command.has_value());
  CHECK_FALSE(trial_from_json(to_json(trial)).energy.idle_w.has_value());
  trial.command = CommandUsage();
  trial.command->exit_code = 3;
  trial.command->why = "it exited with 3";
  trial.energy.idle_w = 31.5;
  const Trial again = trial_from_json(to_json(trial));
  REQUIRE(again.command.has_value());
  CHECK(again.command->exit_code == 3);
  CHECK(again.command->why == "it exited with 3");
  CHECK(again.energy.idle_w == 31.5);
  trial.energy = {};
  trial.energy.why = "no meter";
  CHECK_FALSE(to_json(trial)["energy"].contains("idle_w"));
}

TEST_CASE("a command line reads back in a shell, stays one line, and ends in time") {
  CHECK(command_line_text({"sleep", "2"}, 80) == "sleep 2");
  CHECK(command_line_text({"sh", "-c", "echo $x"}, 80) == "sh -c 'echo $x'");
  CHECK(command_line_text({"echo", "it's", ""}, 80) == "echo 'it'\\''s' ''");
  CHECK(command_line_text({"echo", "a\nb\x1b[1m"}, 80) == "echo 'a?b?[1m'");
  CHECK(command_line_text({"0123456789"}, 4) == "0123…");
  CHECK(command_line_text({"ä", "b"}, 2) == "'…");  // not half a letter
}

}  // namespace
}  // namespace tern::harness
