#include "harness/fetch/transfer_progress.h"

#include <unistd.h>

#include <iostream>

namespace tern::harness {

namespace {

constexpr std::chrono::milliseconds kBetweenDrawings(100);

}  // namespace

TransferProgress::TransferProgress(std::string command)
    : progress_(std::cerr, isatty(STDERR_FILENO) == 1, false, std::move(command)) {}

void TransferProgress::on_bytes(const WantedFile& file, std::int64_t have, std::int64_t arrived) {
  const Clock::time_point now = Clock::now();
  if (file.name != file_) {
    file_ = file.name;
    began_ = now;
    drawn_ = {};
  }
  if (now - drawn_ < kBetweenDrawings) return;
  drawn_ = now;
  progress_.transfer(file.name, have, file.bytes.value_or(0), arrived,
                     std::chrono::duration_cast<std::chrono::nanoseconds>(now - began_).count());
}

}  // namespace tern::harness
