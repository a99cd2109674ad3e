// Partial vectors of rows where the instruction set has no masks. Included inside the anonymous
// namespace of half_<isa>.cpp, behind Vec, kLanes, load and store.

// Kept apart from the whole vectors: at most one tile of a matrix ends inside a vector.
[[gnu::noinline]] Vec load_few(const float* y, std::int64_t rows) noexcept {
  float lanes[kLanes] = {};
  for (std::int64_t r = 0; r < rows; ++r) lanes[r] = y[r];
  return load(lanes);
}
[[gnu::noinline]] void store_few(float* y, Vec value, std::int64_t rows) noexcept {
  float lanes[kLanes];
  store(lanes, value);
  for (std::int64_t r = 0; r < rows; ++r) y[r] = lanes[r];
}

Vec load_rows(const float* y, std::int64_t rows) noexcept {
  return rows >= kLanes ? load(y) : load_few(y, rows);
}
void store_rows(float* y, Vec value, std::int64_t rows) noexcept {
  rows >= kLanes ? store(y, value) : store_few(y, value, rows);
}
