#!/usr/bin/env bash
# One answer everywhere: several builds of tern, for several processors, must print the same hash of the
# logits on every usable kernels row, with 1 to 4 threads, token by token and in batches, and the same
# greedy continuation, also with ternary weights of 1.6 bits and with skipped zeros. The unit tests compare rows inside one process;
# this compares whole programs.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'TEXT'
usage: tests/one_answer.sh BUILD...

  BUILD   a command that runs tern: build/release/tern or "qemu-aarch64-static build/aarch64/tern"

Compares synth:tiny and the models in $TERN_ORACLE/models (default ../shared/oracle) where they exist.
Exit code 1 on the first answer that differs.
TEXT
}

readonly oracle="${TERN_ORACLE:-../shared/oracle}"

# tokens COUNT: a fixed sequence below 500, which every model here has in its vocabulary.
tokens() { seq -s, 0 "$(($1 - 1))" | tr ',' '\n' | awk '{printf "%s%d", (NR > 1 ? "," : ""), ($1 * 37 + 11) % 500}'; }

die() {
  echo "one answer: $*" >&2
  exit 1
}

# The kernels rows a build can use here and that promise one answer, as `tern machine` reports them.
usable_rows() {
  $1 machine -o json | python3 -c '
import json, sys
print(*[row["name"] for row in json.load(sys.stdin)["kernels"] if row["usable"] and row["exact"]])'
}

# One file of each network: that its other containers give the same answer is the unit tests' business.
models() {
  echo synth:tiny
  [[ -d $oracle/models ]] || return 0
  find "$oracle/models" -name '*.i2_s.gguf' | sort
}

declare -A expected origin rows
compared=0

# compare KEY BUILD ARGUMENTS...: the first answer of a key is the one all others must repeat.
compare() {
  local key="$1" build="$2" answer
  shift 2
  # shellcheck disable=SC2086  # a build is a command line
  answer=$($build model "$@" </dev/null) || die "$build model $* failed with exit code $?"
  [[ -n $answer ]] || die "$build model $* printed nothing"
  if [[ -z ${expected[$key]:-} ]]; then
    expected[$key]="$answer"
    origin[$key]="$build model $*"
  elif [[ $answer != "${expected[$key]}" ]]; then
    die "the answers differ
  ${expected[$key]}  ${origin[$key]}
  $answer  $build model $*"
  fi
  compared=$((compared + 1))
}

# Whether the model is of a kind this version reads (exit code 2: refused as input).
supported() {
  local model="$1" build="$2" message status=0
  # shellcheck disable=SC2086
  message=$($build model logits -m "$model" --tokens 1 --hash 2>&1 >/dev/null) || status=$?
  ((status == 0)) && return 0
  ((status == 2)) || die "$build model logits -m $model failed with exit code $status: $message"
  [[ $model != synth:* ]] || die "$message"
  echo "-- not compared: $model: ${message##*$'\n'}"
  return 1
}

# shapes MODEL: "threads batch" pairs; the whole list for one file of each network.
shapes() {
  echo 2 7
  if [[ $1 == synth:* || $1 == *.i2_s.gguf ]]; then
    printf '%s\n' '1 64' '3 1' '4 512'
  fi
}

compare_model() {
  local model="$1" build row threads batch bits
  shift
  for build in "$@"; do
    for row in ${rows[$build]}; do
      while read -r threads batch; do
        compare "$model" "$build" logits -m "$model" --tokens "$prompt" --hash \
          --kernels "$row" --threads "$threads" -b "$batch"
      done < <(shapes "$model")
      for bits in 2 1.6; do
        compare "$model greedy" "$build" generate -m "$model" --tokens "$prompt" -n 8 --ids --ignore-eos \
          --temp 0 --kernels "$row" --threads 2 --ternary-bits "$bits"
      done
      [[ $model != synth:* ]] ||
        compare "$model greedy" "$build" generate -m "$model" --tokens "$prompt" -n 8 --ids --ignore-eos \
          --temp 0 --kernels "$row" --threads 3 --skip-zeros
    done
  done
}

# A head in blocks, which is quantised at load.
compare_heads() {
  local build row head
  for build in "$@"; do
    for row in ${rows[$build]}; do
      for head in q8_0 q6_k; do
        compare "head $head" "$build" logits -m synth:tiny --tokens "$prompt" --hash --kernels "$row" \
          --threads 2 --head "$head"
      done
    done
  done
}

# Longer than one attention block of 256 keys, with the other type of cache.
compare_long() {
  local build row
  for build in "$@"; do
    for row in ${rows[$build]}; do
      compare long "$build" logits -m synth:tiny --tokens "$long_prompt" --hash --kernels "$row" \
        --threads 3 -b 100 -ctk f32 -ctv f32
    done
  done
}

[[ ${1:-} != -h && ${1:-} != --help ]] || { usage; exit 0; }
(($# >= 1)) || { usage >&2; exit 2; }
prompt=$(tokens 70)
long_prompt=$(tokens 300)
readonly prompt long_prompt

for build in "$@"; do
  rows[$build]=$(usable_rows "$build") || die "$build machine -o json failed"
  [[ ${rows[$build]} == *scalar* ]] || die "$build lists no scalar row: '${rows[$build]}'"
  echo "-- $build: ${rows[$build]}"
done
while read -r model; do
  supported "$model" "$1" || continue
  compare_model "$model" "$@"
  echo "-- $model: ${expected[$model]}"
done < <(models)
compare_heads "$@"
compare_long "$@"
echo "one answer: $compared runs of $# builds agree"
