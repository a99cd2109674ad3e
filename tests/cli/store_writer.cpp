// Writes a record and its trials into the store argv[1] without end, printing "ID COUNT" behind
// each commit: what a killed run promised to keep.

#include <cstdio>
#include <exception>

#include "harness/record_store.h"
#include "tests/harness/sample_trials.h"

int main(int argc, char* argv[]) try {
  using namespace tern::harness;
  if (argc != 2) return 2;
  RecordStore store(argv[1]);
  constexpr int kTrialsPerRecord = 50;
  for (;;) {
    Record record = Record::begin("scalar");
    store.begin(record);
    for (int i = 0; i < kTrialsPerRecord; ++i) {
      store.append(record.id(), measured_trial(i));
      std::printf("%s %d\n", record.id().c_str(), i + 1);
      std::fflush(stdout);
    }
    record.finish("ok", {});
    store.finish(record);
  }
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
