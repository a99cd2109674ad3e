#include "harness/fetch/hub.h"

#include <nlohmann/json.hpp>

#include "harness/error.h"
#include "tests/support/catch.h"

namespace tern::harness {
namespace {

using Catch::Matchers::Contains;
using nlohmann::json;

const std::string kCommit(40, 'c');

json small(const std::string& name) {
  return {{"rfilename", name}, {"size", 5}, {"blobId", std::string(40, 'a')}};
}
json large(const std::string& name) {
  return {{"rfilename", name},
          {"size", 7},
          {"blobId", std::string(40, 'a')},
          {"lfs", {{"sha256", std::string(64, 'b')}, {"size", 7}, {"pointerSize", 120}}}};
}
// A vector, since braces around one JSON object are that object and no list.
json answer(const std::vector<json>& files) {
  return {{"id", "o/n"}, {"sha", kCommit}, {"siblings", files}};
}
HubRepository parsed(const std::vector<json>& files) {
  return parse_hub_answer("o/n", answer(files).dump());
}
std::vector<std::string> names(const std::vector<HubFile>& files) {
  std::vector<std::string> list;
  for (const HubFile& file : files) list.push_back(file.name);
  return list;
}
using Names = std::vector<std::string>;

TEST_CASE("the hub's answer gives sizes and the checksum of each kind of file") {
  const HubRepository repository = parsed({small("config.json"), large("model.safetensors")});
  CHECK(repository.commit == kCommit);
  REQUIRE(repository.files.size() == 2);
  CHECK(repository.files[0].digest == DigestKind::kSha1);
  CHECK(repository.files[0].bytes == 5);
  CHECK(repository.files[1].digest == DigestKind::kSha256);
  CHECK(repository.files[1].checksum == std::string(64, 'b'));
}

TEST_CASE("an answer that is not the hub's is refused by what it lacks") {
  const auto refuse = [](const json& value, const std::string& says) {
    CHECK_THROWS_WITH(parse_hub_answer("o/n", value.dump()), Contains(says));
  };
  CHECK_THROWS_WITH(parse_hub_answer("o/n", "<html>"), Contains("a JSON object"));
  refuse({{"siblings", json::array()}}, "commit");
  refuse({{"sha", kCommit}}, "list of files");
  json file = small("a");
  file.erase("size");
  refuse(answer({file}), "the size of a");
  file = small("a");
  file["blobId"] = "xyz";
  refuse(answer({file}), "the sha1 of a");
  file = large("a");
  file["lfs"]["sha256"] = std::string(64, 'B');
  refuse(answer({file}), "the sha256 of a");
  file = small("a");
  file["size"] = -1;
  refuse(answer({file}), "the size of a");
  refuse(answer({"a"}), "an object");
}

TEST_CASE("a file's name cannot leave the folder") {
  for (const char* name : {"", "/etc/passwd", "../a", "a/../../b", "a//b", "a/", ".", "a\\b",
                           "a\nb", "a/./b", "\x1b[2J"}) {
    CAPTURE(name);
    CHECK_THROWS_WITH(parsed({small(name)}), Contains("stay in their folder"));
  }
  CHECK(parsed({small("a/..b/c d")}).files[0].name == "a/..b/c d");
}

TEST_CASE("repository ids are OWNER/NAME") {
  CHECK_NOTHROW(check_repository_id("microsoft/bitnet-b1.58-2B-4T"));
  for (const char* id : {"", "a", "a/", "/a", "a/b/c", "../b", "a/..", "a/b?c", "a/b c"}) {
    CAPTURE(id);
    CHECK_THROWS_WITH(check_repository_id(id), Contains("OWNER/NAME"));
  }
}

TEST_CASE("of safetensors a model needs the root's weights, configuration and tokenizer") {
  const HubRepository repository =
      parsed({small("README.md"), small("config.json"), large("model-00001-of-00002.safetensors"),
              large("model-00002-of-00002.safetensors"), large("original/model.safetensors"),
              large("m.gguf"), small("tokenizer.json"), small("run.py")});
  CHECK(names(choose_files(repository, {})) == Names{"config.json", "tokenizer.json",
                                                     "model-00001-of-00002.safetensors",
                                                     "model-00002-of-00002.safetensors"});
}

TEST_CASE("one GGUF file is the model, several are a question") {
  CHECK(names(choose_files(parsed({small("README.md"), large("m.gguf")}), {})) == Names{"m.gguf"});
  const HubRepository two = parsed({large("a-q8.gguf"), large("b-q4.gguf")});
  CHECK_THROWS_WITH(choose_files(two, {}), Contains("a-q8.gguf, b-q4.gguf") && Contains("--file"));
  const Names patterns = {"*q4*", "b-*"};
  CHECK(names(choose_files(two, patterns)) == Names{"b-q4.gguf"});
  const Names none = {"*.bin"};
  CHECK_THROWS_WITH(choose_files(two, none), Contains("'*.bin'") && Contains("a-q8.gguf"));
  CHECK_THROWS_WITH(choose_files(parsed({small("README.md")}), {}), Contains("README.md"));
}

TEST_CASE("a file is asked for by the commit, its name escaped") {
  HubOptions hub;
  hub.endpoint = parse_url("https://mirror.example/hf", "");
  const HubRepository repository = parsed({small("a b/c.json")});
  const WantedFile file = wanted(hub, repository, repository.files[0], "/m");
  CHECK(file.url.text() == "https://mirror.example/hf/o/n/resolve/" + kCommit + "/a%20b/c.json");
  CHECK(file.to == "/m/a b/c.json");
  CHECK(file.digest_prefix == std::string("blob 5\0", 7));
}

}  // namespace
}  // namespace tern::harness
