#include "engine/formats/safetensors.h"

#include <filesystem>
#include <functional>
#include <random>

#include "engine/error.h"
#include "engine/formats/blocks.h"
#include "tests/engine/container_bytes.h"
#include "tests/engine/temporary_folder.h"
#include "tests/support/catch.h"

using namespace tern::engine;
using namespace tern::tests;

namespace {

const std::string kA = R"("a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]})";
const std::string kB = R"("b":{"dtype":"U8","shape":[4],"data_offsets":[8,12]})";
const std::string kData = le(1.5f) + le(-2.0f) + "\1\2\3\4";

std::string valid_bytes() {
  return safetensors_bytes(R"({"__metadata__":{"format":"pt"},)" + kA + "," + kB + "}   ", kData);
}

std::string message_of(const std::string& bytes) {
  try {
    const SafetensorsFile file(as_bytes(bytes), "m.safetensors");
  } catch (const Error& error) {
    return error.what();
  }
  return "(accepted)";
}

std::string message_of(const std::filesystem::path& path) {
  try {
    const SafetensorsFile file(path);
  } catch (const Error& error) {
    return error.what();
  }
  return "(accepted)";
}

// A header with the one tensor "a", whose fields are given.
std::string one(const std::string& fields) {
  return safetensors_bytes("{\"a\":{" + fields + "}}", kData);
}

std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return one("\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets);
}

}  // namespace

TEST_CASE("a safetensors file gives its tensors") {
  const std::string bytes = valid_bytes();
  const SafetensorsFile file(as_bytes(bytes), "m.safetensors");
  REQUIRE(file.tensors().size() == 2);
  CHECK(file.config_json().empty());
  REQUIRE(file.find("a") != nullptr);
  CHECK(describe(*file.find("a")) == "f32 (1, 2)");
  float row[2];
  decode_row(*file.find("a"), 0, row);
  CHECK(row[0] == 1.5f);
  CHECK(row[1] == -2.0f);
  CHECK(describe(*file.find("b")) == "u8 (4)");
  CHECK(file.find("b")->bytes[3] == std::byte{4});
  CHECK(file.find("__metadata__") == nullptr);
}

TEST_CASE("scalars, empty tensors, gaps and every known dtype are fine") {
  CHECK(message_of(one("\"F32\"", "[]", "[0,4]")) == "(accepted)");
  CHECK(message_of(one("\"F32\"", "[0,5]", "[4,4]")) == "(accepted)");
  CHECK(message_of(one("\"F32\"", "[1]", "[8,12]")) == "(accepted)");
  CHECK(message_of(safetensors_bytes("{}", "")) == "(accepted)");
  const std::pair<const char*, int> types[] = {{"F64", 8}, {"I64", 8},  {"F32", 4}, {"I32", 4},
                                               {"F16", 2}, {"BF16", 2}, {"I16", 2}, {"I8", 1},
                                               {"U8", 1},  {"BOOL", 1}};
  for (const auto& [type, bytes] : types) {
    INFO(type);
    CHECK(message_of(one("\"" + std::string(type) + "\"", "[1]",
                         "[0," + std::to_string(bytes) + "]")) == "(accepted)");
  }
}

TEST_CASE("a wrong safetensors header is refused in one sentence") {
  const auto header = [](const std::string& text) { return safetensors_bytes(text, kData); };
  const std::string deep = "{\"a\":" + std::string(200000, '[') + std::string(200000, ']') + "}";
  std::string deep_metadata = "{\"__metadata__\":";
  for (int i = 0; i < 100000; ++i) deep_metadata += "{\"a\":";
  struct Case {
    const char* what;
    std::string bytes;
    const char* fragment;
  };
  const Case table[] = {
      {"nothing", "", "header length in m.safetensors: expected 8 bytes, got 0 bytes"},
      {"length cut", "1234567", "expected 8 bytes, got 7 bytes"},
      {"length 2^60", le(std::uint64_t{1} << 60) + "{}",
       "expected at most 2 bytes, got 1152921504606846976"},
      {"length past the end", le<std::uint64_t>(3) + "{}", "expected at most 2 bytes, got 3 bytes"},
      {"empty header", header(""), "expected a JSON object, got ''"},
      {"a list", header("[1]"), "expected a JSON object, got '[1]'"},
      {"cut JSON", header("{\"a\":"),
       "header in m.safetensors: expected JSON, got invalid JSON at byte"},
      {"two objects", header("{}{}"), "invalid JSON at byte 3"},
      {"invalid UTF-8", header("{\"\xff\":{}}"), "invalid JSON at byte"},
      {"number overflow", header("{\"a\":1e999}"), "invalid JSON"},
      {"entry a number", header("{\"a\":1}"),
       "header entry 'a' in m.safetensors: expected an object"},
      {"entry null", header("{\"a\":null}"), "got null"},
      {"entry a list", header("{\"a\":[]}"), "got a list"},
      {"deep lists", header(deep), "got a list"},
      {"deep metadata", header(deep_metadata), "expected strings, got an object"},
      {"metadata of numbers", header("{\"__metadata__\":{\"a\":1}}"),
       "expected strings, got a number"},
      {"no dtype", one("\"shape\":[1],\"data_offsets\":[0,4]"), "got no dtype"},
      {"no shape", one("\"dtype\":\"F32\",\"data_offsets\":[0,4]"), "got no shape"},
      {"no offsets", one("\"dtype\":\"F32\",\"shape\":[1]"), "got no data_offsets"},
      {"dtype F8", one("\"F8_E4M3\"", "[1]", "[0,1]"), "got 'F8_E4M3', which is not supported"},
      {"dtype a number", one("1", "[1]", "[0,4]"), "got a number for 'dtype'"},
      {"shape a string", one("\"F32\"", "\"1\"", "[0,4]"), "got a string for 'shape'"},
      {"shape nested", one("\"F32\"", "[[1]]", "[0,4]"), "expected integers, got a list"},
      {"shape an object", one("\"F32\"", "[{}]", "[0,4]"), "expected integers, got an object"},
      {"negative", one("\"F32\"", "[-1]", "[0,4]"), "integers from 0 to 2^63-1, got -1"},
      {"fraction", one("\"F32\"", "[1.5]", "[0,4]"), "got 1.5"},
      {"2^63", one("\"F32\"", "[9223372036854775808]", "[0,4]"), "got 9223372036854775808"},
      {"2^64", one("\"F32\"", "[18446744073709551616]", "[0,4]"), "got 18446744073709551616"},
      {"9 dimensions", one("\"F32\"", "[1,1,1,1,1,1,1,1,1]", "[0,4]"),
       "at most 8 numbers in 'shape'"},
      {"product 2^64", one("\"F32\"", "[4294967296,4294967296]", "[0,4]"), "less than 2^63 bytes"},
      {"bytes 2^64", one("\"F64\"", "[2305843009213693952]", "[0,4]"), "less than 2^63 bytes"},
      {"one offset", one("\"F32\"", "[1]", "[0]"), "expected two data_offsets, got 1"},
      {"three offsets", one("\"F32\"", "[1]", "[0,4,8]"), "at most 2 numbers in 'data_offsets'"},
      {"reversed", one("\"F32\"", "[1]", "[4,0]"),
       "expected data_offsets in order, got offsets 4 to 0"},
      {"past the end", one("\"F32\"", "[1]", "[12,16]"),
       "inside the 12 bytes of data, got offsets 12 to 16"},
      {"too many bytes", one("\"F32\"", "[1]", "[0,8]"),
       "expected 4 bytes for f32 (1), got offsets 0 to 8"},
      {"too few bytes", one("\"F32\"", "[3]", "[0,8]"), "expected 12 bytes for f32 (3)"},
      {"unknown field", one("\"extra\":1"), "got a number for 'extra'"},
      {"field twice", one("\"dtype\":\"F32\",\"dtype\":\"F32\""),
       "each field once, got a second 'dtype'"},
      {"name twice", header("{" + kA + "," + kA + "}"),
       "tensor 'a' in m.safetensors: expected each name once"},
      {"overlap", header("{" + kA + R"(,"c":{"dtype":"U8","shape":[1],"data_offsets":[7,8]}})"),
       "tensor 'c' in m.safetensors: expected data of its own, got an overlap with tensor 'a'"},
  };
  for (const Case& c : table) {
    INFO(c.what);
    const std::string message = message_of(c.bytes);
    CHECK_THAT(message, Catch::Contains(c.fragment));
    CHECK_THAT(message, Catch::Contains("m.safetensors: expected ") && Catch::Contains(", got "));
  }
}

TEST_CASE("every proper prefix of a safetensors file is refused") {
  const std::string bytes = valid_bytes();
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    INFO(n);
    CHECK(message_of(bytes.substr(0, n)) != "(accepted)");
  }
}

TEST_CASE("a damaged safetensors file parses or throws Error") {
  const std::string valid = valid_bytes();
  const std::string json = "{}[]\",:0123456789eE+-.\\au";
  std::mt19937_64 random(20240227);
  int accepted = 0;
  int refused = 0;
  for (int i = 0; i < 5000; ++i) {
    std::string bytes = valid;
    for (std::uint64_t n = random() % 3 + 1; n > 0; --n) {
      bytes[random() % bytes.size()] =
          random() % 2 == 0 ? static_cast<char>(random()) : json[random() % json.size()];
    }
    if (random() % 8 == 0) bytes.resize(random() % bytes.size());
    // The exact size on the heap lets AddressSanitizer see a read past the end.
    const std::vector<char> exact(bytes.begin(), bytes.end());
    try {
      const SafetensorsFile file(std::as_bytes(std::span(exact)), "damaged");
      for (const TensorView& t : file.tensors()) CHECK(tensor_bytes(t.type, t.shape) >= 0);
      ++accepted;
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(accepted > 100);
  CHECK(refused > 1000);
}

TEST_CASE("a Hugging Face folder opens with one file or with shards") {
  const TemporaryFolder whole;
  whole.write("config.json", "{\"model_type\":\"bitnet\"}");
  whole.write("model.safetensors", valid_bytes());
  const SafetensorsFile file(whole.path());
  CHECK(file.config_json() == "{\"model_type\":\"bitnet\"}");
  CHECK(file.tensors().size() == 2);

  const TemporaryFolder sharded;
  sharded.write("config.json", "{}");
  sharded.write("x-1.safetensors", safetensors_bytes("{" + kA + "}", kData));
  sharded.write("x-2.safetensors", safetensors_bytes("{" + kB + "}", kData));
  sharded.write(
      "model.safetensors.index.json",
      R"({"metadata":{"total_size":12},"weight_map":{"a":"x-1.safetensors","b":"x-2.safetensors"}})");
  const SafetensorsFile shards(sharded.path());
  CHECK(shards.tensors().size() == 2);
  CHECK(describe(*shards.find("a")) == "f32 (1, 2)");
  CHECK(shards.find("b")->bytes[0] == std::byte{1});
}

TEST_CASE("a wrong Hugging Face folder is refused in one sentence") {
  const TemporaryFolder folder;
  CHECK_THAT(message_of(folder / "none"), Catch::Contains("No such file"));
  CHECK_THAT(message_of(folder.write("empty", "")), Catch::Contains("an empty file"));
  CHECK_THAT(message_of(folder.path()), Catch::Contains("expected config.json, got none"));
  folder.write("config.json", "{}");
  CHECK_THAT(message_of(folder.path()),
             Catch::Contains("model.safetensors.index.json, got neither"));

  folder.write("s1", safetensors_bytes("{" + kA + "}", kData));
  const std::pair<std::string, const char*> indexes[] = {
      {"{", "expected JSON, got something else"},
      {"1e999", "expected JSON"},
      {"[]", "expected an object with a weight_map, got none"},
      {"{\"weight_map\":{}}", "expected an object with a weight_map"},
      {"{\"weight_map\":[]}", "expected an object with a weight_map"},
      {std::string(100000, '['), "JSON nested deeper"},
      {R"({"weight_map":{"a":1}})", "the plain name of a file in that folder, got number"},
      {R"({"weight_map":{"a":"../s1"}})", "weight_map entry 'a'"},
      {R"({"weight_map":{"a":"/etc/passwd"}})", "got '/etc/passwd'"},
      {R"({"weight_map":{"a":".."}})", "the plain name of a file"},
      {R"({"weight_map":{"a":""}})", "the plain name of a file"},
      {R"({"weight_map":{"a":"s1\u0000"}})", "the plain name of a file"},
      {R"({"weight_map":{"a":"s2"}})", "expected shard 's2', got no such file"},
      {R"({"weight_map":{"a":"s1","z":"s1"}})", "expected tensor 'z' of the index, got none"},
  };
  for (const auto& [index, fragment] : indexes) {
    INFO(index.substr(0, 60));
    folder.write("model.safetensors.index.json", index);
    CHECK_THAT(message_of(folder.path()), Catch::Contains(fragment));
  }
  folder.write("s2", safetensors_bytes("{" + kA + "}", kData));
  folder.write("model.safetensors.index.json", R"({"weight_map":{"a":"s1","b":"s2"}})");
  CHECK_THAT(message_of(folder.path()), Catch::Contains("s2: expected each name once"));
}

TEST_CASE("the oracle's Hugging Face folders open") {
  const std::filesystem::path models = TERN_SOURCE_DIR "/../shared/oracle/models";
  if (!std::filesystem::exists(models)) {
    WARN("not tested: no " << models);
    return;
  }
  int folders = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(models)) {
    if (entry.path().filename() != "config.json") continue;
    INFO(entry.path());
    const SafetensorsFile file(entry.path().parent_path());
    CHECK(file.config_json().starts_with("{"));
    CHECK(file.find("model.embed_tokens.weight") != nullptr);
    ++folders;
  }
  CHECK(folders >= 7);
  const SafetensorsFile packed(models / "tiny-a/hf-packed");
  CHECK(describe(*packed.find("model.layers.0.mlp.down_proj.weight")) == "u8 (64, 512)");
}
