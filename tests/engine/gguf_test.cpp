#include "engine/formats/gguf.h"

#include <filesystem>
#include <functional>
#include <limits>
#include <random>

#include "engine/error.h"
#include "engine/formats/blocks.h"
#include "tests/engine/container_bytes.h"
#include "tests/engine/temporary_folder.h"
#include "tests/support/catch.h"

using namespace tern::engine;
using namespace tern::tests;

namespace {

constexpr std::uint64_t kHuge = std::uint64_t{1} << 60;

// Two tensors, f32 (2, 3) and i2_s (1, 128), and one pair of every kind.
GgufSpec valid_spec() {
  GgufSpec spec;
  spec.pairs = {
      gguf_pair("general.architecture", 8, gguf_string("bitnet-b1.58")),
      gguf_pair("u8", 0, le<std::uint8_t>(200)),
      gguf_pair("i8", 1, le<std::int8_t>(-3)),
      gguf_pair("u16", 2, le<std::uint16_t>(60000)),
      gguf_pair("i16", 3, le<std::int16_t>(-300)),
      gguf_pair("u32", 4, le<std::uint32_t>(4000000000u)),
      gguf_pair("i32", 5, le<std::int32_t>(-70000)),
      gguf_pair("f32", 6, le(0.5f)),
      gguf_pair("yes", 7, le<std::uint8_t>(1)),
      gguf_pair("u64", 10, le(std::numeric_limits<std::uint64_t>::max())),
      gguf_pair("i64", 11, le(std::numeric_limits<std::int64_t>::min())),
      gguf_pair("f64", 12, le(1e-300)),
      gguf_pair("words", 9, gguf_array(8, 2, gguf_string("a") + gguf_string(""))),
      gguf_pair("bits", 9, gguf_array(7, 2, std::string("\1\0", 2))),
      gguf_pair("scores", 9, gguf_array(6, 1, le(-1.5f))),
      gguf_pair("types", 9, gguf_array(5, 2, le<std::int32_t>(1) + le<std::int32_t>(-1)))};
  spec.tensors = {{"norm", {3, 2}, 0, 0}, {"blk.0.w", {128, 1}, 36, 32}};
  for (int i = 0; i < 6; ++i) spec.data += le(static_cast<float>(i));
  spec.data.resize(32);
  spec.data += std::string(32, '\x55') + le(0.25f) + std::string(28, '\0');
  return spec;
}

std::string message_of(const std::string& bytes) {
  try {
    const GgufFile file(as_bytes(bytes), "m.gguf");
  } catch (const Error& error) {
    return error.what();
  }
  return "(accepted)";
}

// Decodes what a loader would; throws nothing but Error.
void decode_everything(const GgufFile& file) {
  for (const TensorView& tensor : file.tensors()) {
    std::vector<float> row(static_cast<std::size_t>(tensor.shape.back()));
    const std::int64_t rows = tensor.elements() / tensor.shape.back();
    for (std::int64_t r = 0; r < rows; ++r) decode_row(tensor, r, row.data());
    if (tensor.type == DType::kI2S) ternary_scale(tensor);
  }
}

}  // namespace

TEST_CASE("a GGUF file gives its metadata and tensors") {
  for (const std::uint32_t version : {2u, 3u}) {
    GgufSpec spec = valid_spec();
    spec.version = version;
    const std::string bytes = spec.bytes();
    const GgufFile file(as_bytes(bytes), "m.gguf");
    CHECK(file.version() == version);
    CHECK(file.string("general.architecture") == "bitnet-b1.58");
    CHECK(file.integer("u8") == 200);
    CHECK(file.integer("i8") == -3);
    CHECK(file.integer("u16") == 60000);
    CHECK(file.integer("i16") == -300);
    CHECK(file.integer("u32") == 4000000000);
    CHECK(file.integer("i32") == -70000);
    CHECK(file.integer("i64") == std::numeric_limits<std::int64_t>::min());
    CHECK(file.number("f32") == 0.5);
    CHECK(file.number("f64") == 1e-300);
    CHECK(file.number("i8") == -3);
    CHECK(file.number("u8") == 200);
    CHECK(file.boolean("yes") == true);
    CHECK(std::get<std::vector<std::string>>(file.metadata().at("words")) ==
          std::vector<std::string>{"a", ""});
    CHECK(std::get<std::vector<bool>>(file.metadata().at("bits")) ==
          std::vector<bool>{true, false});
    CHECK(std::get<std::vector<double>>(file.metadata().at("scores")) == std::vector<double>{-1.5});
    CHECK(std::get<std::vector<std::int64_t>>(file.metadata().at("types")) ==
          std::vector<std::int64_t>{1, -1});
    REQUIRE(file.tensors().size() == 2);
    CHECK(file.tensors()[0].name == "norm");
    CHECK(describe(file.tensors()[0]) == "f32 (2, 3)");
    float row[3];
    decode_row(*file.find("norm"), 1, row);
    CHECK(row[0] == 3);
    CHECK(row[2] == 5);
    CHECK(describe(*file.find("blk.0.w")) == "i2_s (1, 128)");
    CHECK(file.find("blk.0.w")->bytes.size() == 64);
    CHECK(file.find("none") == nullptr);
  }
}

TEST_CASE("a look-up of an absent key is empty, of another type an error that names both") {
  const std::string bytes = valid_spec().bytes();
  const GgufFile file(as_bytes(bytes), "m.gguf");
  CHECK_FALSE(file.integer("none"));
  CHECK_FALSE(file.number("none"));
  CHECK_FALSE(file.string("none"));
  CHECK_FALSE(file.boolean("none"));
  CHECK_THROWS_WITH(file.integer("f32"),
                    "metadata 'f32' in m.gguf: expected an integer, got a number");
  CHECK_THROWS_WITH(file.integer("u64"), Catch::Contains("below 2^63, got 18446744073709551615"));
  CHECK_THROWS_WITH(file.number("yes"), Catch::Contains("expected a number, got a bool"));
  CHECK_THROWS_WITH(file.string("words"),
                    Catch::Contains("expected a string, got an array of strings"));
  CHECK_THROWS_WITH(file.boolean("u8"),
                    Catch::Contains("expected a bool, got an unsigned integer"));
}

TEST_CASE(
    "a wrong GGUF header is refused in one sentence that says what, where, expected and got") {
  struct Case {
    const char* what;
    std::function<void(GgufSpec&)> spoil;
    const char* fragment;
  };
  const auto pair = [](const std::string& p) { return [p](GgufSpec& s) { s.pairs.push_back(p); }; };
  const auto tensor = [](std::size_t i, auto change) {
    return [i, change](GgufSpec& s) { change(s.tensors[i]); };
  };
  const Case cases[] = {
      {"magic", [](GgufSpec& s) { s.magic = "GGML"; },
       "magic in m.gguf: expected 'GGUF', got 'GGML'"},
      {"version 1", [](GgufSpec& s) { s.version = 1; },
       "version in m.gguf: expected 2 or 3, got 1"},
      {"version 4", [](GgufSpec& s) { s.version = 4; }, "expected 2 or 3, got 4"},
      {"big endian", [](GgufSpec& s) { s.version = 0x03000000; }, "got a big-endian file"},
      {"2^60 tensors", [](GgufSpec& s) { s.n_tensors = kHuge; }, "got 1152921504606846976"},
      {"2^60 pairs", [](GgufSpec& s) { s.n_pairs = kHuge; },
       "metadata count in m.gguf: expected at most"},
      {"a tensor too many", [](GgufSpec& s) { s.n_tensors = 3; }, "in m.gguf: expected"},
      {"key length", pair(le(kHuge)), "expected a string of at most"},
      {"key past the end", pair(le<std::uint64_t>(1 << 20)), "until the end of the file"},
      {"value type 13", pair(gguf_pair("k", 13, "")), "expected a value type from 0 to 12, got 13"},
      {"string length", pair(gguf_pair("k", 8, le<std::uint64_t>(100000))),
       "until the end of the file"},
      {"bool of 2", pair(gguf_pair("k", 7, "\2")), "expected a bool of 0 or 1, got 2"},
      {"array length", pair(gguf_pair("k", 9, gguf_array(4, kHuge, ""))),
       "expected an array of at most"},
      {"array of strings too long", pair(gguf_pair("k", 9, gguf_array(8, 1000, ""))), "got 1000"},
      {"array of unknown type", pair(gguf_pair("k", 9, gguf_array(77, 1, "abcdefgh"))),
       "0 to 12, got 77"},
      {"nested array", pair(gguf_pair("k", 9, gguf_array(9, 1, gguf_array(4, 0, "")))),
       "an array of arrays"},
      {"duplicate key", pair(gguf_pair("u8", 0, "\1")),
       "metadata 'u8' in m.gguf: expected each key once"},
      {"alignment 0", pair(gguf_pair("general.alignment", 4, le(0u))), "from 8 to 65536, got 0"},
      {"alignment 24", pair(gguf_pair("general.alignment", 4, le(24u))), "from 8 to 65536, got 24"},
      {"alignment 4", pair(gguf_pair("general.alignment", 4, le(4u))), "from 8 to 65536, got 4"},
      {"alignment 2^17", pair(gguf_pair("general.alignment", 4, le(131072u))), "got 131072"},
      {"alignment text", pair(gguf_pair("general.alignment", 8, gguf_string("32"))),
       "expected an integer"},
      {"duplicate tensor", tensor(1, [](GgufTensor& t) { t.name = "norm"; }), "each name once"},
      {"no dimensions", tensor(0, [](GgufTensor& t) { t.ne = {}; }),
       "expected 1 to 4 dimensions, got 0"},
      {"5 dimensions",
       tensor(0,
              [](GgufTensor& t) {
                t.ne = {1, 1, 1, 1, 1};
              }),
       "dimensions, got 5"},
      {"2^32-1 dimensions", tensor(0, [](GgufTensor& t) { t.n_dims = 0xffffffffu; }),
       "got 4294967295"},
      {"dimension 0",
       tensor(0,
              [](GgufTensor& t) {
                t.ne = {0, 2};
              }),
       "got dimension 0 of 0"},
      {"dimension 2^63", tensor(0, [](GgufTensor& t) { t.ne = {kHuge * 8}; }),
       "product below 2^63"},
      {"product 2^64",
       tensor(0,
              [](GgufTensor& t) {
                t.ne = {kHuge, 16};
              }),
       "got dimension 1 of 16"},
      {"bytes 2^64",
       tensor(0,
              [](GgufTensor& t) {
                t.ne = {kHuge, 4};
              }),
       "in less than 2^63 bytes"},
      {"q5_K", tensor(0, [](GgufTensor& t) { t.type = 13; }),
       "got q5_K (13), which is not supported"},
      {"tl2 / mxfp4", tensor(0, [](GgufTensor& t) { t.type = 39; }), "got tl2 or mxfp4 (39)"},
      {"type 9999", tensor(0, [](GgufTensor& t) { t.type = 9999; }), "got an unknown type (9999)"},
      {"q8_0 rows of 3", tensor(0, [](GgufTensor& t) { t.type = 8; }), "whole blocks of 32"},
      {"i2_s of 127", tensor(1, [](GgufTensor& t) { t.ne = {127}; }), "whole blocks of 128"},
      {"misaligned", tensor(1, [](GgufTensor& t) { t.offset = 33; }), "a multiple of 32, got 33"},
      {"past the end", tensor(1, [](GgufTensor& t) { t.offset = 64; }),
       "tensor 'blk.0.w' in m.gguf: expected its data inside the file (96 bytes of tensor data), "
       "got offset "
       "64 + 64 bytes"},
      {"far past the end", tensor(1, [](GgufTensor& t) { t.offset = ~31ull; }),
       "its data inside the file"},
      {"overlap", tensor(1, [](GgufTensor& t) { t.offset = 0; }), "an overlap with tensor"},
      {"truncated data", [](GgufSpec& s) { s.data.pop_back(); },
       "its data inside the file (95 bytes"},
      {"no data", [](GgufSpec& s) { s.data.clear(); }, "its data inside the file (0 bytes"},
      {"unprintable name",
       tensor(1,
              [](GgufTensor& t) {
                t.name = "a\n\xff";
                t.offset = 1;
              }),
       "tensor 'a\\x0a\\xff' in"},
  };
  for (const Case& c : cases) {
    INFO(c.what);
    GgufSpec spec = valid_spec();
    c.spoil(spec);
    const std::string message = message_of(spec.bytes());
    CHECK_THAT(message, Catch::Contains(c.fragment));
    CHECK_THAT(message, Catch::Contains("m.gguf: expected ") && Catch::Contains(", got "));
  }
}

TEST_CASE("bytes after the last tensor, other alignments and files without tensors are fine") {
  GgufSpec spec = valid_spec();
  spec.data += "trailing";
  CHECK(message_of(spec.bytes()) == "(accepted)");
  GgufSpec none = valid_spec();
  none.tensors.clear();
  none.data.clear();
  none.alignment = 1;
  CHECK(message_of(none.bytes()) == "(accepted)");
  GgufSpec wide = valid_spec();
  wide.pairs.push_back(gguf_pair("general.alignment", 4, le(64u)));
  wide.alignment = 64;
  wide.data.insert(32, 32, '\0');
  wide.tensors[1].offset = 64;
  CHECK(message_of(wide.bytes()) == "(accepted)");
}

TEST_CASE("every proper prefix of a GGUF file is refused") {
  const std::string bytes = valid_spec().bytes();
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    INFO(n);
    CHECK(message_of(bytes.substr(0, n)) != "(accepted)");
  }
}

TEST_CASE("a damaged GGUF file parses or throws Error") {
  const std::string valid = valid_spec().bytes();
  std::mt19937_64 random(20240227);
  const std::uint64_t odd[] = {0, 1, 31, 0x7f, 0xff, 0xffffffff, kHuge, ~0ull, 1ull << 63};
  int accepted = 0;
  int refused = 0;
  for (int i = 0; i < 5000; ++i) {
    std::string bytes = valid;
    for (std::uint64_t n = random() % 4 + 1; n > 0; --n) {
      const std::size_t at = random() % bytes.size();
      if (random() % 2 == 0) {
        bytes[at] = static_cast<char>(random());
      } else {
        const std::uint64_t value = odd[random() % std::size(odd)];
        std::memcpy(bytes.data() + at, &value, std::min(sizeof value, bytes.size() - at));
      }
    }
    if (random() % 8 == 0) bytes.resize(random() % bytes.size());
    // The exact size on the heap lets AddressSanitizer see a read past the end.
    const std::vector<char> exact(bytes.begin(), bytes.end());
    try {
      const GgufFile file(std::as_bytes(std::span(exact)), "damaged");
      decode_everything(file);
      ++accepted;
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(accepted > 100);
  CHECK(refused > 1000);
}

TEST_CASE("a GGUF path that is no model is refused") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(GgufFile(folder / "none.gguf"), Catch::Contains("No such file"));
  CHECK_THROWS_WITH(GgufFile(folder.path()), Catch::Contains("got a folder"));
  CHECK_THROWS_WITH(GgufFile(folder.write("e.gguf", "")), Catch::Contains("an empty file"));
  CHECK_THROWS_WITH(GgufFile(folder.write("t.gguf", "GG")),
                    Catch::Contains("expected 'GGUF', got 'GG'"));
  CHECK(GgufFile(folder.write("v.gguf", valid_spec().bytes())).tensors().size() == 2);
}

TEST_CASE("the oracle's GGUF files open") {
  const std::filesystem::path oracle = TERN_SOURCE_DIR "/../shared/oracle";
  if (!std::filesystem::exists(oracle / "models")) {
    WARN("not tested: no " << oracle);
    return;
  }
  int files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(oracle)) {
    if (entry.path().extension() != ".gguf") continue;
    INFO(entry.path());
    const GgufFile file(entry.path());
    CHECK(file.string("general.architecture").has_value());
    decode_everything(file);
    ++files;
  }
  CHECK(files >= 10);
  const GgufFile tiny(oracle / "models/tiny-a/tiny-a.i2_s.gguf");
  REQUIRE(tiny.find("blk.0.ffn_down.weight") != nullptr);
  CHECK(describe(*tiny.find("blk.0.ffn_down.weight")) == "i2_s (256, 512)");
  CHECK(tiny.integer("bitnet-b1.58.block_count") == 2);
}
