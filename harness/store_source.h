#pragma once
// The records of a store as the dashboard's DataSource: JSON with raw samples and with the figures
// derived from them here, on reading (harness/report/bench_report.h). Opens the store anew for each
// request, so that it sees what another process writes; a store that does not exist is an empty one
// and is not created.

#include <filesystem>
#include <map>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "dashboards/data_source.h"

namespace tern::harness {

class Record;
class RecordStore;
struct RecordSummary;

inline constexpr std::size_t kRunsPerPage = 100;

class StoreSource final : public dashboards::DataSource {
 public:
  explicit StoreSource(std::filesystem::path store) : store_(std::move(store)) {}

  std::string runs(std::size_t offset) override;
  std::optional<std::string> run(const std::string& id) override;

 private:
  nlohmann::json figures_of(const RecordStore& store, const RecordSummary& summary);

  std::filesystem::path store_;
  std::mutex mutex_;
  // JSON text of finished records, by id, status and number of trials: those do not change any
  // more.
  std::map<std::string, std::string> figures_;
};

// One record as the page reads it.
std::string run_json(const Record& record);

}  // namespace tern::harness
