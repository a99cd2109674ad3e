#pragma once
// A download's progress on stderr: a bar at most ten times a second, and sentences.

#include <chrono>
#include <string>

#include "harness/fetch/download.h"
#include "harness/progress.h"

namespace tern::harness {

class TransferProgress final : public DownloadListener {
 public:
  explicit TransferProgress(std::string command);

  void on_bytes(const WantedFile& file, std::int64_t have, std::int64_t arrived) override;
  void on_note(const std::string& sentence) override { progress_.note(sentence); }
  void clear() { progress_.clear(); }

 private:
  using Clock = std::chrono::steady_clock;
  Progress progress_;
  std::string file_;
  Clock::time_point began_, drawn_;
};

}  // namespace tern::harness
