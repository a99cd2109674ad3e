// Writes the fuzzers' seeds to FOLDER/gguf and FOLDER/safetensors: small valid files that use every
// supported type, and some that are wrong in ways a byte flip seldom finds.

#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>

#include "engine/formats/blocks.h"
#include "engine/formats/gguf_writer.h"
#include "tests/engine/container_bytes.h"

using namespace tern::engine;
using namespace tern::tests;

namespace {

void write(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

void write_every_type(const std::filesystem::path& path) {
  GgufWriter writer(path);
  writer.set("general.architecture", std::string("bitnet-b1.58"));
  writer.set("bitnet-b1.58.block_count", std::uint64_t{1});
  writer.set("bitnet-b1.58.attention.layer_norm_rms_epsilon", 1e-5);
  writer.set("tokenizer.ggml.tokens", std::vector<std::string>{"a", "b"});
  writer.set("tokenizer.ggml.token_type", std::vector<std::int64_t>{1, 3});
  writer.set("tokenizer.ggml.add_bos_token", true);
  const DType types[] = {DType::kF32,   DType::kF16,   DType::kBf16, DType::kI2S,
                         DType::kTq1_0, DType::kTq2_0, DType::kQ8_0, DType::kQ6_K};
  const std::vector<std::int64_t> shape = {1, 256};
  for (const DType type : types) writer.declare_tensor(std::string(name(type)), type, shape);
  for (const DType type : types) {
    writer.write(
        as_bytes(std::string(static_cast<std::size_t>(tensor_bytes(type, shape)), '\x15')));
  }
  writer.finish();
}

void make_gguf(const std::filesystem::path& folder) {
  write_every_type(folder / "every-type");
  GgufSpec spec;
  write(folder / "nothing", spec.bytes());
  spec.pairs = {gguf_pair("general.alignment", 4, le<std::uint32_t>(8)), gguf_pair("u8", 0, "\1"),
                gguf_pair("i64", 11, le<std::int64_t>(-1)), gguf_pair("f64", 12, le(0.5)),
                gguf_pair("bools", 9, gguf_array(7, 2, std::string("\0\1", 2)))};
  spec.alignment = 8;
  spec.version = 2;
  spec.tensors = {{"a", {2, 1, 1, 1}, 0, 0}, {"b", {4}, 1, 8}};
  spec.data = std::string(16, '\x3c');
  write(folder / "version-2-alignment-8", spec.bytes());
  GgufSpec overlap = spec;
  overlap.tensors[1].offset = 0;
  write(folder / "overlap", overlap.bytes());
  GgufSpec huge = spec;
  huge.n_tensors = std::uint64_t{1} << 60;
  write(folder / "tensors-2-60", huge.bytes());
  GgufSpec nested = spec;
  nested.pairs = {gguf_pair("k", 9, gguf_array(9, 1, gguf_array(4, 0, "")))};
  write(folder / "nested-array", nested.bytes());
  GgufSpec straddling;
  straddling.tensors = {{"rows-of-192", {192, 2}, 36, 0}};
  straddling.data = std::string(96, '\x18') + le(0.5f) + std::string(28, '\0');
  write(folder / "i2s-straddling", straddling.bytes());
}

void make_safetensors(const std::filesystem::path& folder) {
  write(folder / "nothing", safetensors_bytes("{}", ""));
  const std::string packed = R"("w":{"dtype":"U8","shape":[2,4],"data_offsets":[0,8]})";
  const std::string scale = R"("w_scale":{"dtype":"BF16","shape":[1],"data_offsets":[8,10]})";
  const std::string norm = R"("n":{"dtype":"F32","shape":[],"data_offsets":[10,14]})";
  const std::string data = "\x15\x15\x15\x15\x2a\x15\x15\x15\x80\x3f" + le(1.0f);
  write(folder / "packed", safetensors_bytes("{\"__metadata__\":{\"format\":\"pt\"}," + packed +
                                                 "," + scale + "," + norm + "}  ",
                                             data));
  write(folder / "name-twice", safetensors_bytes("{" + packed + "," + packed + "}", data));
  write(folder / "empty-tensor",
        safetensors_bytes(
            R"({"e":{"dtype":"F16","shape":[0,4611686018427387904],"data_offsets":[3,3]}})", data));
  write(folder / "deep", safetensors_bytes("{\"a\":" + std::string(1000, '['), ""));
  write(folder / "length-2-60", le(std::uint64_t{1} << 60) + "{}");
}

}  // namespace

int main(int argc, char* argv[]) {
  if (argc != 2) {
    std::cerr << "usage: make_corpus FOLDER\n";
    return 2;
  }
  const std::filesystem::path folder = argv[1];
  for (const char* part : {"gguf", "safetensors"})
    std::filesystem::create_directories(folder / part);
  make_gguf(folder / "gguf");
  make_safetensors(folder / "safetensors");
}
