// What the 256-bit x86 files share: rows 0 to 7 and 8 to 15 of a line are a register each. Included
// inside their anonymous namespace, before ternary_tiles.inl.

constexpr int kTile = 6;  // two registers of rows each: 12 of the 16 registers
constexpr int kTileStep = 1;
constexpr std::int64_t kWordBytes = 4;
constexpr std::int64_t kExpandedLineBytes = 4 * kTernaryLineBytes;

constexpr std::int64_t kPrefetchLines = 32;

__m256i load(const void* p) noexcept { return _mm256_load_si256(static_cast<const __m256i*>(p)); }

void add_to(std::int32_t* sums, __m256i value) noexcept {
  auto* p = reinterpret_cast<__m256i*>(sums);
  _mm256_store_si256(p, _mm256_add_epi32(_mm256_load_si256(p), value));
}

// Four neighbouring activations in every lane.
__m256i broadcast4(const std::int8_t* q) noexcept {
  std::int32_t word;
  std::memcpy(&word, q, sizeof word);
  return _mm256_set1_epi32(word);
}

// Columns 0 to 3 of a line, then 4 to 7, 8 to 11, 12 to 15; 16 rows of each.
void expand(const std::uint8_t* packed, std::int64_t lines, std::int64_t ahead,
            std::uint8_t* codes) noexcept {
  const __m256i mask = _mm256_set1_epi8(0x03);
  for (std::int64_t i = 0; i < 2 * lines; ++i, packed += 32) {
    __builtin_prefetch(packed + ahead, 0, 2);
    const __m256i v = load(packed);
    auto* out = reinterpret_cast<__m256i*>(codes + i / 2 * kExpandedLineBytes + i % 2 * 32);
    _mm256_store_si256(out, _mm256_and_si256(v, mask));
    _mm256_store_si256(out + 2, _mm256_and_si256(_mm256_srli_epi16(v, 2), mask));
    _mm256_store_si256(out + 4, _mm256_and_si256(_mm256_srli_epi16(v, 4), mask));
    _mm256_store_si256(out + 6, _mm256_and_si256(_mm256_srli_epi16(v, 6), mask));
  }
}
