#include "harness/record_store.h"

#include <sqlite3.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "harness/error.h"
#include "tests/harness/sample_trials.h"
#include "tests/support/catch.h"

namespace tern::harness {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using nlohmann::json;

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "tern-store-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TemporaryFolder() { fs::remove_all(path_); }
  fs::path operator/(const char* name) const { return path_ / name; }

 private:
  fs::path path_;
};

// What another program, or a later version, would write.
void sql(const fs::path& path, const char* statements) {
  sqlite3* handle = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &handle) == SQLITE_OK);
  CHECK(sqlite3_exec(handle, statements, nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(handle);
}

Record sample_record() {
  Record record = Record::begin("scalar");
  record.document()["machine"] = {{"cpu", {{"name", "Example CPU"}}}};
  record.document()["subjects"] = {{{"name", "ternary"}, {"model", "synth:a"}},
                                   {{"name", "baseline"}, {"model", "synth:a"}}};
  return record;
}

TEST_CASE("a run is kept trial by trial and merged in order when loaded") {
  const TemporaryFolder folder;
  Record record = sample_record();
  {
    RecordStore store(folder / "t.db");
    store.begin(record);
    // Committed in another order than measured.
    for (const int index : {1, 0, 10, 2}) store.append(record.id(), measured_trial(index));
  }
  RecordStore store(folder / "t.db");
  std::optional<Record> loaded = store.load(record.id());
  REQUIRE(loaded);
  CHECK(loaded->document()["status"] == "running");
  const std::vector<Trial> trials = loaded->trials();
  REQUIRE(trials.size() == 4);
  CHECK(trials[0].order_index == 0);
  CHECK(trials[3].order_index == 10);

  record.finish("failed", {"out of patience"});
  store.finish(record);
  loaded = store.load(record.id());
  CHECK(loaded->document()["status"] == "failed");
  CHECK(loaded->document()["reasons"] == json({"out of patience"}));
  CHECK(loaded->trials().size() == 4);

  const std::vector<RecordSummary> list = store.list();
  REQUIRE(list.size() == 1);
  CHECK(list[0].id == record.id());
  CHECK(list[0].status == "failed");
  CHECK(list[0].trials == 4);
  CHECK(list[0].models == "synth:a");
  CHECK(list[0].tests == "tg128 @ d512");
  CHECK(list[0].machine == "Example CPU");
}

TEST_CASE("a trial or a record cannot be kept twice, and a missing one not be continued") {
  const TemporaryFolder folder;
  RecordStore store(folder / "t.db");
  const Record record = sample_record();
  CHECK_THROWS_AS(store.append(record.id(), measured_trial(0)), Error);
  CHECK_THROWS_WITH(store.finish(record), Contains("there is no record"));
  store.begin(record);
  CHECK_THROWS_WITH(store.begin(record), Contains("there already"));
  store.append(record.id(), measured_trial(0));
  CHECK_THROWS_AS(store.append(record.id(), measured_trial(0)), Error);
  CHECK(store.load(record.id())->trials().size() == 1);
}

TEST_CASE("records are found by whole id or by a beginning that names one") {
  const TemporaryFolder folder;
  RecordStore store(folder / "t.db");
  Record first = sample_record();
  Record second = sample_record();
  first.document()["id"] = "019ac1c0-0000-7000-8000-000000000001";
  first.document()["created"] = "2025-01-01T00:00:00.000Z";
  second.document()["id"] = "019ac1c0-0000-7000-8000-000000000002";
  second.document()["created"] = "2025-01-02T00:00:00.000Z";
  CHECK(store.import(first));
  CHECK(store.import(second));
  CHECK(store.load("019ac1c0-0000-7000-8000-000000000002")->id() == second.id());
  CHECK_THROWS_WITH(store.load("019ac1c0"), Contains("ambiguous"));
  CHECK(store.find(first.id())->id() == first.id());
  CHECK_FALSE(store.find("019ac1c0"));
  CHECK_FALSE(store.load("019ac1c1"));
  CHECK_FALSE(store.load(""));
  CHECK_FALSE(store.load("%"));
  CHECK_FALSE(store.load("' OR 1 = 1 --"));
  REQUIRE(store.list().size() == 2);
  CHECK(store.list()[0].id == second.id());  // newest first
}

TEST_CASE("import is idempotent, keeps unknown fields, and takes a record whole or not at all") {
  const TemporaryFolder folder;
  RecordStore store(folder / "t.db");
  Record record = sample_record();
  record.add(measured_trial(0));
  record.add(unmeasured_trial(1));
  record.document()["x_unknown"] = {1, 2};
  record.document()["trials"][1]["x_future"] = "kept";
  CHECK(store.import(record));
  Record changed = record;
  changed.document()["status"] = "failed";
  CHECK_FALSE(store.import(changed));
  CHECK(store.load(record.id())->document() == record.document());

  Record twice = sample_record();
  twice.add(measured_trial(5));
  twice.add(measured_trial(5));
  CHECK_THROWS_WITH(store.import(twice), Contains("order_index 5"));
  CHECK_FALSE(store.load(twice.id()));
}

TEST_CASE("a store that cannot be used says so and where") {
  const TemporaryFolder folder;
  const auto refused = [](const fs::path& path, const std::string& reason) {
    CAPTURE(path);
    CHECK_THROWS_WITH(RecordStore(path), Contains(path.string()) && Contains(reason));
  };
  refused(folder / "", "got a folder");
  refused(folder / "none/t.db", "could not open");
  std::ofstream(folder / "text.db") << std::string(8192, 'x');
  refused(folder / "text.db", "got something else");
  std::ofstream(folder / "short.db") << "hello, this is no database";
  refused(folder / "short.db", "got something else");
  refused(folder / "text.db/t.db", "could not open");
  sql(folder / "other.db", "CREATE TABLE songs (name TEXT)");
  refused(folder / "other.db", "another program");
  if (::geteuid() != 0) {
    {
      RecordStore store(folder / "locked.db");
    }
    fs::permissions(folder / "locked.db", fs::perms::owner_read);
    refused(folder / "locked.db", "cannot be written");
  }
}

TEST_CASE("a store of a newer version is refused and left as it is") {
  const TemporaryFolder folder;
  { RecordStore store(folder / "t.db"); }
  sql(folder / "t.db", "PRAGMA user_version = 99");
  CHECK_THROWS_WITH(RecordStore(folder / "t.db"), Contains("newer tern") && Contains("99"));
  sql(folder / "t.db", "PRAGMA user_version = 2");
  CHECK_NOTHROW(RecordStore(folder / "t.db"));
}

TEST_CASE("an empty file becomes a store") {
  const TemporaryFolder folder;
  std::ofstream(folder / "t.db").close();
  RecordStore store(folder / "t.db");
  CHECK(store.list().empty());
}

TEST_CASE("several processes may create and fill one store at once") {
  const TemporaryFolder folder;
  constexpr int kWriters = 4;
  constexpr int kTrials = 10;
  std::vector<std::string> errors(kWriters);
  {
    std::vector<std::jthread> writers;
    for (int w = 0; w < kWriters; ++w) {
      writers.emplace_back([&, w] {
        try {
          RecordStore store(folder / "t.db");
          const Record record = sample_record();
          store.begin(record);
          for (int i = 0; i < kTrials; ++i) store.append(record.id(), measured_trial(i));
        } catch (const std::exception& error) {
          errors[static_cast<std::size_t>(w)] = error.what();
        }
      });
    }
  }
  for (const std::string& error : errors) CHECK(error.empty());
  const RecordStore store(folder / "t.db");
  REQUIRE(store.list().size() == kWriters);
  for (const RecordSummary& summary : store.list()) CHECK(summary.trials == kTrials);
}

TEST_CASE("the default place follows XDG_DATA_HOME and is made when needed") {
  const TemporaryFolder folder;
  const char* old = std::getenv("XDG_DATA_HOME");
  const std::string kept = old == nullptr ? "" : old;
  ::setenv("XDG_DATA_HOME", (folder / "data").c_str(), 1);
  CHECK(RecordStore::default_path() == folder / "data/tern/tern.db");
  CHECK_NOTHROW(RecordStore(RecordStore::default_path()));
  CHECK(fs::exists(folder / "data/tern/tern.db"));
  ::setenv("XDG_DATA_HOME", "relative", 1);
  CHECK(RecordStore::default_path().is_absolute());
  old == nullptr ? ::unsetenv("XDG_DATA_HOME") : ::setenv("XDG_DATA_HOME", kept.c_str(), 1);
}

}  // namespace
}  // namespace tern::harness
