// How AMX tiles are configured by every kernel that uses them. Included inside the anonymous
// namespace.

// A tile is at most 16 rows of 64 bytes (Intel SDM volume 1, chapter 18).
constexpr std::int64_t kTileRows = 16;
constexpr std::int64_t kTileRowBytes = 64;
constexpr std::int64_t kTileBytes = kTileRows * kTileRowBytes;

// Four tiles of sums, from two tiles of tokens and two of rows: two loads a product hardly keep up
// with the multiplier, and with one of each there would be four.
constexpr std::int64_t kGroupTokens = 2 * kTileRows;

// Operand of LDTILECFG, palette 1.
struct alignas(64) TileConfig {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);

// Tiles 0 and 1 are sums and 4 activations of `first` tokens, 2 and 3 and 5 of `second`; 6 and 7
// are weights.
void configure(std::int64_t first, std::int64_t second) noexcept {
  TileConfig config;
  const std::int64_t rows[8] = {first, first, second, second, first, second, kTileRows, kTileRows};
  for (int i = 0; i < 8; ++i) {
    config.rows[i] = static_cast<std::uint8_t>(rows[i]);
    config.row_bytes[i] = rows[i] > 0 ? std::uint16_t{kTileRowBytes} : std::uint16_t{0};
  }
  _tile_loadconfig(&config);
}

// For at most kGroupTokens tokens.
void configure(std::int64_t tokens) noexcept {
  const std::int64_t first = tokens < kTileRows ? tokens : kTileRows;
  configure(first, tokens - first);
}
