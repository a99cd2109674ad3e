#include "engine/formats/gguf_writer.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <limits>
#include <string>

#include "engine/error.h"
#include "engine/formats/blocks.h"
#include "tests/engine/container_bytes.h"
#include "tests/engine/temporary_folder.h"
#include "tests/support/catch.h"

using namespace tern::engine;
using namespace tern::tests;

namespace {

std::size_t files_in(const TemporaryFolder& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder.path()),
                                                std::filesystem::directory_iterator()));
}

bool has_nameless_files(const std::filesystem::path& folder) {
  const int fd = ::open(folder.c_str(), O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
  if (fd >= 0) ::close(fd);
  return fd >= 0;
}

// While it lives, files may not grow past `bytes`: a full disk that needs no disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int) = nullptr;
};

}  // namespace

TEST_CASE("what the writer wrote the reader reads") {
  const TemporaryFolder folder;
  const auto target = folder / "m.gguf";
  const std::pair<const char*, GgufValue> pairs[] = {
      {"general.architecture", std::string("bitnet-b1.58")},
      {"u32", std::uint64_t{7}},
      {"u64", std::numeric_limits<std::uint64_t>::max()},
      {"i32", std::int64_t{-7}},
      {"i64", std::numeric_limits<std::int64_t>::min()},
      {"f32", 0.25},
      {"no", false},
      {"u32s", std::vector<std::uint64_t>{1, 4294967295}},
      {"u64s", std::vector<std::uint64_t>{1, 4294967296}},
      {"i32s", std::vector<std::int64_t>{-1, 2147483647}},
      {"i64s", std::vector<std::int64_t>{-1, 2147483648}},
      {"f32s", std::vector<double>{-1.5, 0}},
      {"bools", std::vector<bool>{true, false, true}},
      {"strings", std::vector<std::string>{"", "\xff", std::string("a\0b", 3)}},
      {"none", std::vector<std::string>{}},
  };
  const std::string first = le(1.0f) + le(2.0f) + le(3.0f);
  std::string second(64, '\x55');
  i2s_tail(0.5f, reinterpret_cast<std::byte*>(second.data()) + 32);
  const std::string third(3 << 20, '\x11');  // past the writer's buffer
  {
    GgufWriter writer(target);
    for (const auto& [key, value] : pairs) writer.set(key, value);
    writer.declare_tensor("norm", DType::kF32, {3});
    writer.declare_tensor("w", DType::kI2S, {2, 64});
    writer.declare_tensor("big", DType::kF16, {3 << 10, 1 << 9});
    writer.write(as_bytes(first));
    for (const char& c : second) writer.write(std::as_bytes(std::span(&c, 1)));
    writer.write(as_bytes(third));
    CHECK_FALSE(std::filesystem::exists(target));
    writer.finish();
  }
  CHECK(files_in(folder) == 1);
  const GgufFile file(target);
  CHECK(file.version() == 3);
  CHECK(file.metadata().size() == std::size(pairs));
  for (const auto& [key, value] : pairs) {
    INFO(key);
    CHECK(file.metadata().at(key) == value);
  }
  REQUIRE(file.tensors().size() == 3);
  const std::string* contents[] = {&first, &second, &third};
  for (int i = 0; i < 3; ++i) {
    const auto bytes = file.tensors()[i].bytes;
    CHECK(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()) == *contents[i]);
  }
  CHECK(describe(file.tensors()[1]) == "i2_s (2, 64)");
  CHECK(ternary_scale(file.tensors()[1]) == 0.5f);
  CHECK(describe(file.tensors()[2]) == "f16 (3072, 512)");
}

TEST_CASE("the file is laid out as GGUF v3 says, byte by byte") {
  const TemporaryFolder folder;
  GgufWriter writer(folder / "m.gguf");
  writer.set("k", std::uint64_t{5});
  writer.set("a", std::vector<std::int64_t>{-1});
  writer.declare_tensor("t", DType::kBf16, {2, 1});
  writer.declare_tensor("u", DType::kF32, {1});
  writer.write(as_bytes("abcd"));
  writer.write(as_bytes("efgh"));
  writer.finish();
  GgufSpec expected;
  expected.pairs = {gguf_pair("k", 4, le<std::uint32_t>(5)),
                    gguf_pair("a", 9, gguf_array(5, 1, le<std::int32_t>(-1)))};
  expected.tensors = {{"t", {1, 2}, 30, 0}, {"u", {1}, 0, 32}};
  expected.data = "abcd" + std::string(28, '\0') + "efgh" + std::string(28, '\0');
  const MappedFile file(folder / "m.gguf");
  CHECK(std::string(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()) ==
        expected.bytes());
}

TEST_CASE("a writer that does not finish leaves what was there before") {
  const TemporaryFolder folder;
  const auto target = folder.write("m.gguf", "old");
  {
    GgufWriter writer(target);
    writer.declare_tensor("t", DType::kF32, {2});
    writer.write(as_bytes("abcd"));
    CHECK(files_in(folder) == (has_nameless_files(folder.path()) ? 1 : 2));
    CHECK_THROWS_WITH(writer.finish(), Catch::Contains("expected 8 bytes of tensor 't', got 4"));
  }
  CHECK(files_in(folder) == 1);
  CHECK(std::filesystem::file_size(target) == 3);
}

TEST_CASE("a full disk is an error that names the file, and leaves nothing") {
  const TemporaryFolder folder;
  const std::string data(8 << 20, 'x');
  const auto write_all = [&] {
    GgufWriter writer(folder / "m.gguf");
    writer.declare_tensor("t", DType::kF32, {2 << 20});
    writer.write(as_bytes(data));
    writer.finish();
  };
  {
    const FileSizeLimit limit(1 << 20);
    CHECK_THROWS_WITH(write_all(),
                      Catch::Contains("m.gguf: expected room for the whole model, got"));
  }
  CHECK(files_in(folder) == 0);
  CHECK_NOTHROW(write_all());
}

TEST_CASE("a model larger than the disk is refused before anything is written") {
  const TemporaryFolder folder;
  GgufWriter writer(folder / "m.gguf");
  writer.declare_tensor("huge", DType::kF32, {std::int64_t{1} << 26, std::int64_t{1} << 26});
  CHECK_THROWS_WITH(writer.write({}), Catch::Contains("MiB of free disk space"));
}

TEST_CASE("a file that is being written goes away with its process") {
  const TemporaryFolder folder;
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    GgufWriter writer(folder / "m.gguf");
    writer.declare_tensor("t", DType::kF32, {1024});
    writer.write(std::vector<std::byte>(100));
    ::raise(SIGKILL);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
  if (has_nameless_files(folder.path())) CHECK(files_in(folder) == 0);
}

TEST_CASE("after a failed write nothing can be finished") {
  const TemporaryFolder folder;
  const std::string data(8 << 20, 'x');
  GgufWriter writer(folder / "m.gguf");
  writer.declare_tensor("t", DType::kF32, {2 << 20});
  {
    const FileSizeLimit limit(1 << 20);
    CHECK_THROWS_AS(writer.write(as_bytes(data)), Error);
  }
  CHECK_THROWS_AS(writer.write(as_bytes(data)), Error);
  CHECK_THROWS_AS(writer.finish(), Error);
  CHECK_FALSE(std::filesystem::exists(folder / "m.gguf"));
}

TEST_CASE("targets that cannot be written are refused before any work") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(GgufWriter(folder.path()), Catch::Contains("got a folder"));
  CHECK_THROWS_WITH(GgufWriter("/dev/null"),
                    Catch::Contains("/dev/null: expected the name of a file"));
  CHECK_THROWS_WITH(GgufWriter(folder / "none/m.gguf"), Catch::Contains("No such file"));
}

TEST_CASE("wrong use of the writer is an error") {
  const TemporaryFolder folder;
  GgufWriter writer(folder / "m.gguf");
  writer.set("k", true);
  CHECK_THROWS_WITH(writer.set("k", true), Catch::Contains("each key once"));
  CHECK_THROWS_WITH(writer.set("general.alignment", std::uint64_t{64}),
                    Catch::Contains("alignment"));
  writer.declare_tensor("t", DType::kF32, {1});
  CHECK_THROWS_WITH(writer.declare_tensor("t", DType::kF32, {1}),
                    Catch::Contains("each tensor once"));
  CHECK_THROWS_WITH(writer.declare_tensor("a", DType::kU8, {1}), Catch::Contains("of type u8"));
  CHECK_THROWS_WITH(writer.declare_tensor("a", DType::kF32, {}),
                    Catch::Contains("1 to 4 dimensions"));
  CHECK_THROWS_WITH(writer.declare_tensor("a", DType::kTq2_0, {1, 8}),
                    Catch::Contains("whole blocks"));

  GgufWriter other(folder / "n.gguf");
  other.declare_tensor("t", DType::kF32, {1});
  CHECK_THROWS_WITH(other.write(as_bytes("abcdefgh")),
                    Catch::Contains("expected 4 bytes of tensor 't', got 8"));
}

TEST_CASE("a finished writer takes no more") {
  const TemporaryFolder folder;
  GgufWriter writer(folder / "m.gguf");
  writer.finish();
  CHECK(GgufFile(folder / "m.gguf").tensors().empty());
  CHECK_THROWS_AS(writer.finish(), Error);
  CHECK_THROWS_AS(writer.set("k", true), Error);
  CHECK_THROWS_AS(writer.declare_tensor("t", DType::kF32, {1}), Error);
  CHECK_THROWS_AS(writer.write(as_bytes("a")), Error);
  CHECK(files_in(folder) == 1);
}
