// VPERMB turns a stored line of layout t5 back into a line of layout t2 and a part of the group's
// fifth. Included inside the anonymous namespace of the files of this folder that have AVX-512
// VBMI.

struct Decoder {
  __m512i common, rare, rare_fifth;
  __m512i top;  // the mask of the top two bits, and the first of the rare bytes
};

Decoder make_decoder() noexcept {
  return {_mm512_load_si512(kDenseCodes.t2), _mm512_load_si512(kDenseCodes.t2 + 192),
          _mm512_load_si512(kDenseCodes.fifth + 192), _mm512_set1_epi8(static_cast<char>(0xc0))};
}

struct Decoded {
  __m512i t2;
  __m512i fifth;  // codes times 64
};

Decoded decode(const Decoder& d, __m512i stored) noexcept {
  const __mmask64 rare = _mm512_cmpge_epu8_mask(stored, d.top);
  const __m512i common = _mm512_permutexvar_epi8(stored, d.common);
  const __m512i fifth = _mm512_and_si512(stored, d.top);
  return {_mm512_mask_permutexvar_epi8(common, rare, stored, d.rare),
          _mm512_mask_permutexvar_epi8(fifth, rare, stored, d.rare_fifth)};
}
