#pragma once
// tern.record/1: one JSON document per run, raw samples only (record.schema.json is the published
// schema). The document is kept whole, so fields this version does not know survive a round trip.

#include <array>
#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "harness/trial.h"

namespace tern::harness {

inline constexpr const char* kRecordSchema = "tern.record/1";

class Record {
 public:
  // A new record: id (UUIDv7), schema, created time, the `tern` part, status "running".
  static Record begin(const std::string& kernels_row);
  // The same with a given time and random bits and without a `tern` part: what was measured
  // elsewhere, and gets the same id whenever it is read.
  static Record begin_at(std::int64_t unix_ms, const std::array<std::uint64_t, 2>& bits);
  // Parses a document. Throws Error (harness/error.h) when it is not a tern.record/1.
  static Record parse(const std::string& text);

  Record(const Record& other);
  Record(Record&&) noexcept;
  Record& operator=(Record other) noexcept;
  ~Record();

  nlohmann::json& document() noexcept;
  const nlohmann::json& document() const noexcept;
  std::string id() const;

  void add(const Trial& trial);
  std::vector<Trial> trials() const;

  // "ok", "failed", "unfit", with reasons.
  void finish(const std::string& status, const std::vector<std::string>& reasons);

  std::string text(int indent = -1) const;

 private:
  Record();
  std::unique_ptr<nlohmann::json> document_;
};

nlohmann::json to_json(const Trial& trial);
Trial trial_from_json(const nlohmann::json& json);
nlohmann::json to_json(const energy::EnergyDelta& energy);
energy::EnergyDelta energy_from_json(const nlohmann::json& json);

}  // namespace tern::harness
