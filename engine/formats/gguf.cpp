#include "engine/formats/gguf.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "engine/error.h"
#include "engine/formats/blocks.h"
#include "engine/formats/gguf_layout.h"

namespace tern::engine {
namespace {

using gguf::ValueType;

static_assert(std::endian::native == std::endian::little,
              "GGUF values are read as they lie in the file");

// Far above what models hold (vocabularies reach 10^6), far below what a hostile sparse file may
// claim.
constexpr std::uint64_t kMaxArrayElements = std::uint64_t{1} << 26;
constexpr std::uint64_t kMaxStringBytes = std::uint64_t{1} << 28;

// The least bytes one entry takes: a key's length, type and one-byte value; a name's length, the
// number of dimensions, one dimension, type and offset.
constexpr std::uint64_t kMinPairBytes = 8 + 4 + 1;
constexpr std::uint64_t kMinTensorBytes = 8 + 4 + 8 + 4 + 8;

std::string bytes_text(std::uint64_t n) {
  return std::to_string(n) + (n == 1 ? " byte" : " bytes");
}

// A cursor that never passes the end.
class Reader {
 public:
  Reader(std::span<const std::byte> bytes, const std::string& origin)
      : bytes_(bytes), origin_(origin) {}

  std::uint64_t position() const noexcept { return at_; }
  std::uint64_t remaining() const noexcept { return bytes_.size() - at_; }

  [[noreturn]] void fail(const std::string& what, const std::string& expected,
                         const std::string& got) const {
    throw Error(what + " in " + origin_ + ": expected " + expected + ", got " + got);
  }

  template <typename T>
  T number(std::string_view what) {
    T value;
    std::memcpy(&value, take(sizeof(T), what), sizeof(T));
    return value;
  }

  std::string string(std::string_view what) {
    const auto length = number<std::uint64_t>(what);
    if (length > kMaxStringBytes) {
      fail(std::string(what), "a string of at most " + bytes_text(kMaxStringBytes),
           bytes_text(length));
    }
    const std::byte* text = take(length, what);
    return {reinterpret_cast<const char*>(text), static_cast<std::size_t>(length)};
  }

  bool boolean(std::string_view what) {
    const auto value = number<std::uint8_t>(what);
    if (value > 1) fail(std::string(what), "a bool of 0 or 1", std::to_string(value));
    return value == 1;
  }

 private:
  const std::byte* take(std::uint64_t n, std::string_view what) {
    if (n > remaining()) {
      fail(std::string(what), bytes_text(n) + " at offset " + std::to_string(at_),
           bytes_text(remaining()) + " until the end of the file");
    }
    const std::byte* here = bytes_.data() + at_;
    at_ += static_cast<std::size_t>(n);
    return here;
  }

  std::span<const std::byte> bytes_;
  const std::string& origin_;
  std::size_t at_ = 0;
};

// Zero for the types that have no fixed size of their own.
std::uint64_t value_bytes(ValueType type) noexcept {
  switch (type) {
    case ValueType::kU8:
    case ValueType::kI8:
    case ValueType::kBool:
      return 1;
    case ValueType::kU16:
    case ValueType::kI16:
      return 2;
    case ValueType::kU32:
    case ValueType::kI32:
    case ValueType::kF32:
      return 4;
    case ValueType::kString:  // its length
    case ValueType::kU64:
    case ValueType::kI64:
    case ValueType::kF64:
      return 8;
    case ValueType::kArray:
      break;
  }
  return 0;
}

// What a stored number becomes: every width of one kind is one kind.
template <typename Stored>
using Kept =
    std::conditional_t<std::is_floating_point_v<Stored>, double,
                       std::conditional_t<std::is_signed_v<Stored>, std::int64_t, std::uint64_t>>;

// Calls `visit` with a function that reads one value of that type.
template <typename Visit>
GgufValue with_element(Reader& in, ValueType type, const std::string& what, Visit visit) {
  const auto numbers = [&]<typename Stored>(Stored) {
    return visit([&] { return static_cast<Kept<Stored>>(in.number<Stored>(what)); });
  };
  switch (type) {
    case ValueType::kU8:
      return numbers(std::uint8_t{});
    case ValueType::kI8:
      return numbers(std::int8_t{});
    case ValueType::kU16:
      return numbers(std::uint16_t{});
    case ValueType::kI16:
      return numbers(std::int16_t{});
    case ValueType::kU32:
      return numbers(std::uint32_t{});
    case ValueType::kI32:
      return numbers(std::int32_t{});
    case ValueType::kU64:
      return numbers(std::uint64_t{});
    case ValueType::kI64:
      return numbers(std::int64_t{});
    case ValueType::kF32:
      return numbers(float{});
    case ValueType::kF64:
      return numbers(double{});
    case ValueType::kBool:
      return visit([&] { return in.boolean(what); });
    case ValueType::kString:
      return visit([&] { return in.string(what); });
    case ValueType::kArray:
      break;
  }
  in.fail(what, "a value type from 0 to 12", std::to_string(static_cast<std::uint32_t>(type)));
}

GgufValue read_array(Reader& in, const std::string& what) {
  const auto type = in.number<ValueType>(what);
  const auto count = in.number<std::uint64_t>(what);
  if (type == ValueType::kArray)
    in.fail(what, "an array of numbers or strings", "an array of arrays");
  const std::uint64_t width = value_bytes(type);
  const std::uint64_t most =
      width == 0 ? kMaxArrayElements : std::min(in.remaining() / width, kMaxArrayElements);
  if (count > most) {
    in.fail(what, "an array of at most " + std::to_string(most) + " elements",
            std::to_string(count));
  }
  return with_element(in, type, what, [&](auto read) -> GgufValue {
    std::vector<decltype(read())> values;
    values.reserve(static_cast<std::size_t>(count));
    for (std::uint64_t i = 0; i < count; ++i) values.push_back(read());
    return values;
  });
}

GgufValue read_value(Reader& in, const std::string& what) {
  const auto type = in.number<ValueType>(what);
  if (type == ValueType::kArray) return read_array(in, what);
  return with_element(in, type, what, [](auto read) -> GgufValue { return read(); });
}

std::uint32_t read_version(Reader& in) {
  const std::uint64_t size = in.remaining();
  std::string magic;
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(4, size); ++i)
    magic += in.number<char>("magic");
  if (magic != gguf::kMagic) in.fail("magic", "'GGUF'", quote_name(magic));
  const auto version = in.number<std::uint32_t>("version");
  if (version == 2 || version == 3) return version;
  if (version != 0 && (version & 0xffffu) == 0) {
    in.fail("byte order", "little endian", "a big-endian file");
  }
  in.fail("version", "2 or 3", std::to_string(version));
}

std::uint64_t read_count(Reader& in, const std::string& what) {
  return in.number<std::uint64_t>(what);
}

void check_count(const Reader& in, const std::string& what, std::uint64_t count,
                 std::uint64_t each) {
  if (count > in.remaining() / each) {
    in.fail(what,
            "at most " + std::to_string(in.remaining() / each) + " in the " +
                bytes_text(in.remaining()) + " that remain",
            std::to_string(count));
  }
}

std::uint64_t alignment_of(const Reader& in, const GgufFile& file) {
  const std::int64_t alignment = file.integer(gguf::kAlignmentKey)
                                     .value_or(static_cast<std::int64_t>(gguf::kDefaultAlignment));
  if (alignment < 8 || alignment > 65536 ||
      !std::has_single_bit(static_cast<std::uint64_t>(alignment))) {
    in.fail("general.alignment", "a power of two from 8 to 65536", std::to_string(alignment));
  }
  return static_cast<std::uint64_t>(alignment);
}

DType read_type(Reader& in, const std::string& what) {
  const auto id = in.number<std::uint32_t>(what);
  const gguf::TensorType* known = gguf::tensor_type(id);
  if (known != nullptr && known->type) return *known->type;
  std::string supported;
  for (const gguf::TensorType& t : gguf::kTensorTypes) {
    if (t.type) supported += (supported.empty() ? "" : ", ") + std::string(t.name);
  }
  in.fail(what, "one of the types " + supported,
          (known != nullptr ? std::string(known->name) + " (" : std::string("an unknown type (")) +
              std::to_string(id) + "), which is not supported");
}

// ne[0] is the row length: the file's order is the reverse of ours.
std::vector<std::int64_t> read_shape(Reader& in, const std::string& what) {
  const auto n_dims = in.number<std::uint32_t>(what);
  if (n_dims < 1 || n_dims > gguf::kMaxDimensions) {
    in.fail(what, "1 to 4 dimensions", std::to_string(n_dims));
  }
  std::vector<std::int64_t> shape(n_dims);
  std::int64_t elements = 1;
  for (std::uint32_t i = 0; i < n_dims; ++i) {
    const auto d = in.number<std::uint64_t>(what);
    if (d < 1 || d > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) ||
        __builtin_mul_overflow(elements, static_cast<std::int64_t>(d), &elements)) {
      in.fail(what, "dimensions of at least 1 with a product below 2^63",
              "dimension " + std::to_string(i) + " of " + std::to_string(d));
    }
    shape[n_dims - 1 - i] = static_cast<std::int64_t>(d);
  }
  return shape;
}

struct TensorInfo {
  TensorView view;
  std::uint64_t offset;  // relative to the data
  std::uint64_t bytes;
};

TensorInfo read_tensor_info(Reader& in, std::uint64_t number) {
  TensorInfo info;
  info.view.name = in.string("name of tensor " + std::to_string(number));
  const std::string what = "tensor " + quote_name(info.view.name);
  info.view.shape = read_shape(in, what);
  info.view.type = read_type(in, what);
  info.offset = in.number<std::uint64_t>(what);
  const std::int64_t bytes = tensor_bytes(info.view.type, info.view.shape);
  if (bytes < 0) {
    const bool flat = info.view.type == DType::kI2S;
    in.fail(what,
            std::string(flat ? "a number of values" : "rows") + " of whole blocks of " +
                std::to_string(block_elements(info.view.type)) + " in less than 2^63 bytes",
            describe(info.view));
  }
  info.bytes = static_cast<std::uint64_t>(bytes);
  return info;
}

// Where the tensor's bytes lie in the file, or an Error.
std::uint64_t place(const Reader& in, const TensorInfo& info, std::uint64_t data_at,
                    std::uint64_t file_bytes, std::uint64_t alignment) {
  const std::string what = "tensor " + quote_name(info.view.name);
  if (info.offset % alignment != 0) {
    in.fail(what, "its offset at a multiple of " + std::to_string(alignment),
            std::to_string(info.offset));
  }
  const std::uint64_t room = file_bytes > data_at ? file_bytes - data_at : 0;
  if (info.offset > room || info.bytes > room - info.offset) {
    in.fail(what, "its data inside the file (" + bytes_text(room) + " of tensor data)",
            "offset " + std::to_string(info.offset) + " + " + bytes_text(info.bytes));
  }
  return data_at + info.offset;
}

void check_overlaps(const Reader& in, std::span<const TensorView> tensors) {
  std::vector<const TensorView*> order(tensors.size());
  std::transform(tensors.begin(), tensors.end(), order.begin(),
                 [](const TensorView& t) { return &t; });
  std::sort(order.begin(), order.end(), [](const TensorView* a, const TensorView* b) {
    return a->bytes.data() < b->bytes.data();
  });
  for (std::size_t i = 1; i < order.size(); ++i) {
    if (order[i - 1]->bytes.data() + order[i - 1]->bytes.size() > order[i]->bytes.data()) {
      in.fail("tensor " + quote_name(order[i]->name), "data of its own",
              "an overlap with tensor " + quote_name(order[i - 1]->name));
    }
  }
}

std::string_view kind(const GgufValue& value) noexcept {
  constexpr std::string_view kKinds[] = {
      "an unsigned integer",
      "an integer",
      "a number",
      "a bool",
      "a string",
      "an integer array",
      "an integer array",
      "an array of numbers",
      "an array of bools",
      "an array of strings",
  };
  return kKinds[value.index()];
}

[[noreturn]] void wrong_kind(std::string_view key, const std::string& origin,
                             std::string_view expected, const GgufValue& got) {
  throw Error("metadata " + quote_name(key) + " in " + origin + ": expected " +
              std::string(expected) + ", got " + std::string(kind(got)));
}

}  // namespace

GgufFile::GgufFile(const std::filesystem::path& path) : origin_(path.string()), file_(path) {
  parse(file_->bytes());
}

GgufFile::GgufFile(std::span<const std::byte> bytes, std::string origin)
    : origin_(std::move(origin)) {
  parse(bytes);
}

void GgufFile::parse(std::span<const std::byte> bytes) {
  Reader in(bytes, origin_);
  version_ = read_version(in);
  const std::uint64_t n_tensors = read_count(in, "tensor count");
  const std::uint64_t n_pairs = read_count(in, "metadata count");
  check_count(in, "tensor count", n_tensors, kMinTensorBytes);
  check_count(in, "metadata count", n_pairs, kMinPairBytes);
  for (std::uint64_t i = 0; i < n_pairs; ++i) {
    std::string key = in.string("key of metadata " + std::to_string(i));
    const std::string what = "metadata " + quote_name(key);
    GgufValue value = read_value(in, what);
    if (!metadata_.emplace(std::move(key), std::move(value)).second) {
      in.fail(what, "each key once", "a second one");
    }
  }
  const std::uint64_t alignment = alignment_of(in, *this);

  std::vector<TensorInfo> infos;
  for (std::uint64_t i = 0; i < n_tensors; ++i) {
    infos.push_back(read_tensor_info(in, i));
    if (!index_.emplace(infos.back().view.name, infos.size() - 1).second) {
      in.fail("tensor " + quote_name(infos.back().view.name), "each name once", "a second one");
    }
  }
  const std::uint64_t data_at = gguf::align_up(in.position(), alignment);
  tensors_.reserve(infos.size());
  for (TensorInfo& info : infos) {
    const std::uint64_t at = place(in, info, data_at, bytes.size(), alignment);
    info.view.bytes =
        bytes.subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(info.bytes));
    tensors_.push_back(std::move(info.view));
  }
  check_overlaps(in, tensors_);
}

std::optional<std::int64_t> GgufFile::integer(std::string_view key) const {
  const auto found = metadata_.find(std::string(key));
  if (found == metadata_.end()) return std::nullopt;
  if (const auto* value = std::get_if<std::int64_t>(&found->second)) return *value;
  const auto* value = std::get_if<std::uint64_t>(&found->second);
  if (value == nullptr) wrong_kind(key, origin_, "an integer", found->second);
  if (*value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    throw Error("metadata " + quote_name(key) + " in " + origin_ +
                ": expected an integer below 2^63, got " + std::to_string(*value));
  }
  return static_cast<std::int64_t>(*value);
}

std::optional<double> GgufFile::number(std::string_view key) const {
  const auto found = metadata_.find(std::string(key));
  if (found == metadata_.end()) return std::nullopt;
  if (const auto* value = std::get_if<double>(&found->second)) return *value;
  if (const auto* value = std::get_if<std::int64_t>(&found->second))
    return static_cast<double>(*value);
  if (const auto* value = std::get_if<std::uint64_t>(&found->second))
    return static_cast<double>(*value);
  wrong_kind(key, origin_, "a number", found->second);
}

std::optional<std::string> GgufFile::string(std::string_view key) const {
  const auto found = metadata_.find(std::string(key));
  if (found == metadata_.end()) return std::nullopt;
  if (const auto* value = std::get_if<std::string>(&found->second)) return *value;
  wrong_kind(key, origin_, "a string", found->second);
}

std::optional<bool> GgufFile::boolean(std::string_view key) const {
  const auto found = metadata_.find(std::string(key));
  if (found == metadata_.end()) return std::nullopt;
  if (const auto* value = std::get_if<bool>(&found->second)) return *value;
  wrong_kind(key, origin_, "a bool", found->second);
}

const TensorView* GgufFile::find(std::string_view name) const noexcept {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

}  // namespace tern::engine
