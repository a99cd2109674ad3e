#include "engine/mapped_file.h"

#include <sys/stat.h>

#include <string>
#include <utility>

#include "engine/error.h"
#include "tests/engine/temporary_folder.h"
#include "tests/support/catch.h"

using tern::engine::Error;
using tern::engine::MappedFile;
using tern::tests::TemporaryFolder;

namespace {

std::string text(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

}  // namespace

TEST_CASE("a mapped file shows the whole file") {
  const TemporaryFolder folder;
  const std::string content(10000, 'x');
  CHECK(text(MappedFile(folder.write("m", content))) == content);
}

TEST_CASE("dropping the pages of a mapped file loses nothing") {
  const TemporaryFolder folder;
  const std::string content(100'000, 'y');
  const MappedFile file(folder.write("m", content));
  CHECK(text(file) == content);
  file.drop_pages();
  CHECK(text(file) == content);
}

TEST_CASE("moving a mapped file keeps its bytes in place") {
  const TemporaryFolder folder;
  MappedFile first(folder.write("a", "first"));
  const auto bytes = first.bytes();
  MappedFile second(std::move(first));
  CHECK(second.bytes().data() == bytes.data());
  CHECK(first.bytes().empty());
  MappedFile third(folder.write("b", "third"));
  third = std::move(second);
  CHECK(text(third) == "first");
}

TEST_CASE("what cannot be mapped is refused with the reason and the name") {
  const TemporaryFolder folder;
  folder.write("empty", "");
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  const std::pair<const char*, const char*> cases[] = {{"missing", "No such file"},
                                                       {"empty", "an empty file"},
                                                       {"pipe", "pipe"},
                                                       {".", "got a folder"}};
  for (const auto& [name, fragment] : cases) {
    INFO(name);
    CHECK_THROWS_WITH(MappedFile(folder / name),
                      Catch::Contains(fragment) && Catch::Contains(name));
    CHECK_THROWS_AS(MappedFile(folder / name), Error);
  }
}
