#include "harness/report_file.h"

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "harness/error.h"
#include "tests/support/catch.h"

namespace tern::harness {
namespace {

using Catch::Matchers::Contains;
namespace fs = std::filesystem;

class Folder {
 public:
  Folder() {
    std::string path = (fs::temp_directory_path() / "tern-report-XXXXXX").string();
    REQUIRE(::mkdtemp(path.data()) != nullptr);
    path_ = path;
  }
  ~Folder() { fs::remove_all(path_); }
  std::string file(const std::string& name) const { return (path_ / name).string(); }
  auto entries() const { return std::distance(fs::directory_iterator(path_), {}); }

 private:
  fs::path path_;
};

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_CASE("a report appears whole, and the old one stays until then") {
  const Folder folder;
  const std::string path = folder.file("r.md");
  std::ofstream(path) << "old";
  ReportFile report(path);
  CHECK(text_of(path) == "old");
  report.write("new");
  CHECK(text_of(path) == "new");
  CHECK(folder.entries() == 1);
}

TEST_CASE("a report that is never written leaves nothing behind") {
  const Folder folder;
  { const ReportFile report(folder.file("r.md")); }
  CHECK(folder.entries() == 0);
}

TEST_CASE("a place that cannot be written is refused at once") {
  const Folder folder;
  CHECK_THROWS_WITH(ReportFile(folder.file("no/r.md")), Contains("no/r.md: No such file"));
  CHECK_THROWS_WITH(ReportFile(folder.file("")), Contains("Is a directory"));
}

TEST_CASE("a full disk is an error") {
  if (!fs::exists("/dev/full")) return;
  ReportFile report("/dev/full");
  CHECK_THROWS_WITH(report.write("x"), Contains("/dev/full: No space left"));
}

}  // namespace
}  // namespace tern::harness
