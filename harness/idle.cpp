#include "harness/idle.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "energy/uncertainty_budget.h"
#include "harness/error.h"

namespace tern::harness {
namespace {

using nlohmann::json;

json to_json(const energy::IdleWindow& window) {
  return {{"when", window.before ? "before" : "after"},
          {"start_unix_ns", window.start_unix_ns},
          {"energy", harness::to_json(window.energy)}};
}

energy::IdleWindow window_from_json(const json& object) {
  energy::IdleWindow window;
  window.before = object.at("when") == "before";
  window.start_unix_ns = object.at("start_unix_ns").get<std::int64_t>();
  window.energy = energy_from_json(object.at("energy"));
  return window;
}

}  // namespace

std::vector<energy::IdleWindow> measure_idle(Instruments& instruments, int seconds, bool before,
                                             const std::atomic<bool>* stop) {
  std::vector<energy::IdleWindow> windows;
  const int count = std::clamp(seconds, 1, kIdleWindows);
  for (int i = 0; i < count; ++i) {
    energy::IdleWindow window;
    window.before = before;
    window.start_unix_ns = instruments.unix_ns();
    Trial trial;
    instruments.start();
    instruments.rest(seconds * (i + 1) / count - seconds * i / count);
    instruments.stop(trial);
    if (stop != nullptr && stop->load()) break;
    window.energy = std::move(trial.energy);
    windows.push_back(std::move(window));
  }
  return windows;
}

std::optional<double> idle_power_w(const std::vector<energy::IdleWindow>& windows) {
  const energy::IdleBaseline idle = energy::idle_baseline(windows);
  return idle.why_not.empty() ? std::optional<double>(idle.mean_w) : std::nullopt;
}

void record_idle(Record& record, const std::vector<energy::IdleWindow>& windows) {
  for (const energy::IdleWindow& window : windows) {
    record.document()["idle"].push_back(to_json(window));
  }
}

std::optional<energy::IdleBaseline> recorded_idle(const Record& record) {
  const json& document = record.document();
  if (!document.contains("idle") || !document["idle"].is_array()) return std::nullopt;
  std::vector<energy::IdleWindow> windows;
  for (const json& entry : document["idle"]) {
    try {
      windows.push_back(window_from_json(entry));
    } catch (const json::exception&) {
      continue;
    } catch (const Error&) {
      continue;
    }
  }
  return energy::idle_baseline(windows);
}

void record_meter(Record& record, const energy::EnergyMeter& meter, const std::string& cpu_vendor) {
  const energy::SourceInfo* info = meter.info();
  if (info == nullptr) return;
  json part = {{"source", info->name}, {"detail", info->detail}, {"coverage", info->coverage}};
  if (!info->attributed) part["assumptions"] = energy::budget_assumptions(*info, cpu_vendor);
  record.document()["meter"] = std::move(part);
}

std::vector<std::string> recorded_assumptions(const Record& record) {
  std::vector<std::string> clauses;
  const json& document = record.document();
  const auto meter = document.find("meter");
  if (meter == document.end() || !meter->is_object()) return clauses;
  const auto assumptions = meter->find("assumptions");
  if (assumptions == meter->end() || !assumptions->is_array()) return clauses;
  for (const json& clause : *assumptions) {
    if (clause.is_string()) clauses.push_back(clause.get<std::string>());
  }
  return clauses;
}

}  // namespace tern::harness
