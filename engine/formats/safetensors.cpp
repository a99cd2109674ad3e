#include "engine/formats/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "engine/error.h"
#include "engine/formats/blocks.h"

namespace tern::engine {
namespace {

using Json = nlohmann::json;

static_assert(std::endian::native == std::endian::little,
              "values are read as they lie in the file");

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the limit of the format's own library
constexpr std::uint64_t kMaxTextBytes = 16 << 20;       // config.json, model.safetensors.index.json
constexpr std::size_t kMaxDimensions = 8;
constexpr std::string_view kConfigName = "config.json";
constexpr std::string_view kModelName = "model.safetensors";
constexpr std::string_view kIndexName = "model.safetensors.index.json";

[[noreturn]] void fail(const std::string& what, const std::string& where,
                       const std::string& expected, const std::string& got) {
  throw Error(what + " in " + where + ": expected " + expected + ", got " + got);
}

std::string bytes_text(std::uint64_t n) {
  return std::to_string(n) + (n == 1 ? " byte" : " bytes");
}

struct NamedType {
  std::string_view name;
  DType type;
};

constexpr NamedType kTypes[] = {
    {"F32", DType::kF32}, {"F16", DType::kF16},   {"BF16", DType::kBf16}, {"I8", DType::kI8},
    {"U8", DType::kU8},   {"I16", DType::kI16},   {"I32", DType::kI32},   {"I64", DType::kI64},
    {"F64", DType::kF64}, {"BOOL", DType::kBool},
};

// One entry of the header, each part seen once or not at all.
struct Entry {
  std::string name;
  std::optional<DType> type;
  std::optional<std::vector<std::int64_t>> shape;
  std::optional<std::vector<std::uint64_t>> offsets;
};

// Reads the header as a stream of events. It accepts exactly the shape the format has, so nothing
// nested deeper than a list inside an entry ever gets past it, and unlike a parsed document it sees
// a key that comes twice.
class HeaderReader final : public nlohmann::json_sax<Json> {
 public:
  explicit HeaderReader(const std::string& origin) : origin_(origin) {}

  std::vector<Entry> entries;

  bool null() override { unexpected("null"); }
  bool boolean(bool) override { unexpected("a bool"); }
  bool number_integer(std::int64_t value) override {
    return number(std::to_string(value), std::nullopt);
  }
  bool number_unsigned(std::uint64_t value) override {
    return number(std::to_string(value), value);
  }
  bool number_float(double, const std::string& text) override { return number(text, std::nullopt); }
  bool binary(Json::binary_t&) override { unexpected("binary data"); }

  bool string(std::string& value) override {
    if (place_ == Place::kMetadata) return true;
    if (place_ != Place::kEntry || field_ != "dtype") unexpected("a string");
    const auto* known = std::find_if(std::begin(kTypes), std::end(kTypes),
                                     [&](const NamedType& t) { return t.name == value; });
    if (known == std::end(kTypes)) {
      fail(what(), origin_, "a dtype of F64, F32, F16, BF16, I64, I32, I16, I8, U8 or BOOL",
           quote_name(value) + ", which is not supported");
    }
    entries.back().type = known->type;
    return true;
  }

  bool start_object(std::size_t) override {
    switch (place_) {
      case Place::kStart:
        place_ = Place::kHeader;
        return true;
      case Place::kKey:
        place_ = key_ == "__metadata__" ? Place::kMetadata : Place::kEntry;
        if (place_ == Place::kEntry) entries.push_back({key_, {}, {}, {}});
        return true;
      default:
        unexpected("an object");
    }
  }

  bool key(std::string& value) override {
    switch (place_) {
      case Place::kHeader:
        key_ = value;
        place_ = Place::kKey;
        return true;
      case Place::kEntry:
        if (seen(value)) fail(what(), origin_, "each field once", "a second " + quote_name(value));
        field_ = value;
        return true;
      default:
        return true;  // free text of __metadata__
    }
  }

  bool end_object() override {
    if (place_ == Place::kEntry) check_complete();
    place_ = place_ == Place::kHeader ? Place::kEnd : Place::kHeader;
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ != Place::kEntry) unexpected("a list");
    if (field_ == "shape") {
      entries.back().shape.emplace();
    } else if (field_ == "data_offsets") {
      entries.back().offsets.emplace();
    } else {
      unexpected("a list");
    }
    place_ = Place::kList;
    return true;
  }

  bool end_array() override {
    if (field_ == "data_offsets" && entries.back().offsets->size() != 2) {
      fail(what(), origin_, "two data_offsets", std::to_string(entries.back().offsets->size()));
    }
    place_ = Place::kEntry;
    return true;
  }

  bool parse_error(std::size_t at, const std::string&,
                   const nlohmann::detail::exception&) override {
    fail("header", origin_, "JSON", "invalid JSON at byte " + std::to_string(at));
  }

 private:
  enum class Place { kStart, kHeader, kKey, kMetadata, kEntry, kList, kEnd };

  std::string what() const {
    return place_ == Place::kEntry || place_ == Place::kList
               ? "tensor " + quote_name(entries.back().name)
               : "header";
  }

  [[noreturn]] void unexpected(const std::string& got) const {
    switch (place_) {
      case Place::kKey:
        fail("header entry " + quote_name(key_), origin_, "an object", got);
      case Place::kMetadata:
        fail("header entry '__metadata__'", origin_, "strings", got);
      case Place::kEntry:
        fail(what(), origin_, "dtype (a string), shape and data_offsets (lists of integers)",
             got + " for " + quote_name(field_));
      default:
        fail(what(), origin_, place_ == Place::kList ? "integers" : "a JSON object", got);
    }
  }

  bool number(const std::string& text, std::optional<std::uint64_t> value) {
    if (place_ != Place::kList) unexpected("a number");
    const bool shape = field_ == "shape";
    constexpr auto kMost = static_cast<std::uint64_t>(INT64_MAX);
    if (!value || *value > kMost) {
      fail(what(), origin_, quote_name(field_) + " of integers from 0 to 2^63-1", text);
    }
    Entry& entry = entries.back();
    const std::size_t count = shape ? entry.shape->size() : entry.offsets->size();
    const std::size_t most = shape ? kMaxDimensions : 2;
    if (count == most) {
      fail(what(), origin_, "at most " + std::to_string(most) + " numbers in " + quote_name(field_),
           "more");
    }
    if (shape) {
      entry.shape->push_back(static_cast<std::int64_t>(*value));
    } else {
      entry.offsets->push_back(*value);
    }
    return true;
  }

  bool seen(const std::string& field) const {
    const Entry& entry = entries.back();
    return (field == "dtype" && entry.type) || (field == "shape" && entry.shape) ||
           (field == "data_offsets" && entry.offsets);
  }

  void check_complete() const {
    const Entry& entry = entries.back();
    const char* missing = !entry.type      ? "dtype"
                          : !entry.shape   ? "shape"
                          : !entry.offsets ? "data_offsets"
                                           : "";
    if (*missing != '\0')
      fail(what(), origin_, "dtype, shape and data_offsets", std::string("no ") + missing);
  }

  const std::string& origin_;
  Place place_ = Place::kStart;
  std::string key_;    // of the header
  std::string field_;  // of the entry
};

std::string_view header_text(std::span<const std::byte> bytes, const std::string& origin) {
  std::uint64_t length = 0;
  if (bytes.size() < sizeof(length)) {
    fail("header length", origin, bytes_text(sizeof(length)), bytes_text(bytes.size()));
  }
  std::memcpy(&length, bytes.data(), sizeof(length));
  const std::uint64_t most =
      std::min<std::uint64_t>(bytes.size() - sizeof(length), kMaxHeaderBytes);
  if (length > most)
    fail("header length", origin, "at most " + bytes_text(most), bytes_text(length));
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + sizeof(length),
                              static_cast<std::size_t>(length));
  if (!text.starts_with('{'))
    fail("header", origin, "a JSON object", quote_name(text.substr(0, 8)));
  return text;
}

TensorView view_of(const Entry& entry, std::span<const std::byte> data, const std::string& origin) {
  TensorView view{entry.name, *entry.type, *entry.shape, {}};
  const std::string what = "tensor " + quote_name(entry.name);
  const std::uint64_t begin = (*entry.offsets)[0];
  const std::uint64_t end = (*entry.offsets)[1];
  const std::string got = "offsets " + std::to_string(begin) + " to " + std::to_string(end);
  if (begin > end) fail(what, origin, "data_offsets in order", got);
  if (end > data.size())
    fail(what, origin, "its data inside the " + bytes_text(data.size()) + " of data", got);
  const std::int64_t bytes = tensor_bytes(view.type, view.shape);
  if (bytes < 0) fail(what, origin, "a shape of less than 2^63 bytes", describe(view));
  if (static_cast<std::uint64_t>(bytes) != end - begin) {
    fail(what, origin, bytes_text(static_cast<std::uint64_t>(bytes)) + " for " + describe(view),
         got);
  }
  view.bytes = data.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
  return view;
}

void check_overlaps(std::span<const TensorView> tensors, const std::string& origin) {
  std::vector<const TensorView*> order;
  for (const TensorView& t : tensors) {
    if (!t.bytes.empty()) order.push_back(&t);
  }
  std::sort(order.begin(), order.end(), [](const TensorView* a, const TensorView* b) {
    return a->bytes.data() < b->bytes.data();
  });
  for (std::size_t i = 1; i < order.size(); ++i) {
    if (order[i - 1]->bytes.data() + order[i - 1]->bytes.size() > order[i]->bytes.data()) {
      fail("tensor " + quote_name(order[i]->name), origin, "data of its own",
           "an overlap with tensor " + quote_name(order[i - 1]->name));
    }
  }
}

std::string read_text(const std::filesystem::path& path) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  if (bytes.size() > kMaxTextBytes) {
    fail("size", path.string(), "at most " + bytes_text(kMaxTextBytes), bytes_text(bytes.size()));
  }
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Tensor name to shard name. A shard must be a plain file name: an index may not point out of its
// folder.
std::map<std::string, std::string> read_index(const std::filesystem::path& path) {
  const auto shallow = [&](int depth, Json::parse_event_t event, Json&) {
    const bool opens =
        event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
    if (opens && depth > 4)
      fail("index", path.string(), "a weight_map", "JSON nested deeper than that");
    return true;
  };
  Json index;
  try {
    index = Json::parse(read_text(path), shallow);
  } catch (const Json::exception&) {
    fail("index", path.string(), "JSON", "something else");
  }
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object() ||
      index["weight_map"].empty()) {
    fail("index", path.string(), "an object with a weight_map", "none");
  }
  std::map<std::string, std::string> shards;
  for (const auto& [tensor, shard] : index["weight_map"].items()) {
    const std::string name = shard.is_string() ? shard.get<std::string>() : "";
    if (name.empty() || name == "." || name == ".." ||
        name.find_first_of(std::string_view("/\\\0", 3)) != name.npos) {
      fail("weight_map entry " + quote_name(tensor), path.string(),
           "the plain name of a file in that folder",
           shard.is_string() ? quote_name(name) : std::string(shard.type_name()));
    }
    shards.emplace(tensor, name);
  }
  return shards;
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : origin_(path.string()) {
  const auto open = [&](const std::filesystem::path& file) {
    files_.emplace_back(file);
    parse(files_.back().bytes(), file.string());
  };
  // What cannot be looked at counts as absent here, and opening it then says why.
  std::error_code ignored;
  if (!std::filesystem::is_directory(path, ignored)) {
    open(path);
    return;
  }
  const auto present = [&](std::string_view name) {
    return std::filesystem::exists(path / name, ignored);
  };
  if (!present(kConfigName)) fail("model", origin_, "config.json", "none");
  config_json_ = read_text(path / kConfigName);
  if (present(kModelName)) {
    open(path / kModelName);
    return;
  }
  if (!present(kIndexName)) {
    fail("model", origin_, "model.safetensors or model.safetensors.index.json", "neither");
  }
  const auto shard_of = read_index(path / kIndexName);
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : shard_of) shards.insert(shard);
  for (const std::string& shard : shards) {
    if (!present(shard)) fail("model", origin_, "shard " + quote_name(shard), "no such file");
    open(path / shard);
  }
  for (const auto& [tensor, shard] : shard_of) {
    if (find(tensor) == nullptr) {
      fail("shards", origin_, "tensor " + quote_name(tensor) + " of the index",
           "none of that name");
    }
  }
}

SafetensorsFile::SafetensorsFile(std::span<const std::byte> bytes, std::string origin)
    : origin_(std::move(origin)) {
  parse(bytes, origin_);
}

void SafetensorsFile::parse(std::span<const std::byte> bytes, const std::string& shard) {
  const std::string_view text = header_text(bytes, shard);
  HeaderReader header(shard);
  Json::sax_parse(text, &header);
  const auto data = bytes.subspan(sizeof(std::uint64_t) + text.size());
  const std::size_t first = tensors_.size();
  for (const Entry& entry : header.entries) {
    tensors_.push_back(view_of(entry, data, shard));
    if (!index_.emplace(entry.name, tensors_.size() - 1).second) {
      fail("tensor " + quote_name(entry.name), shard, "each name once", "a second one");
    }
  }
  check_overlaps(std::span(tensors_).subspan(first), shard);
}

const TensorView* SafetensorsFile::find(std::string_view name) const noexcept {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

}  // namespace tern::engine
