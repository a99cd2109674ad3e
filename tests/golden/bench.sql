CREATE TABLE IF NOT EXISTS llama_bench (
  build_commit TEXT,
  build_number INTEGER,
  cpu_info TEXT,
  gpu_info TEXT,
  backends TEXT,
  model_filename TEXT,
  model_type TEXT,
  model_size INTEGER,
  model_n_params INTEGER,
  n_batch INTEGER,
  n_ubatch INTEGER,
  n_threads INTEGER,
  cpu_mask TEXT,
  cpu_strict INTEGER,
  poll INTEGER,
  type_k TEXT,
  type_v TEXT,
  n_gpu_layers INTEGER,
  n_cpu_moe INTEGER,
  split_mode TEXT,
  main_gpu INTEGER,
  no_kv_offload INTEGER,
  flash_attn INTEGER,
  devices TEXT,
  tensor_split TEXT,
  tensor_buft_overrides TEXT,
  load_mode TEXT,
  embeddings INTEGER,
  no_op_offload INTEGER,
  no_host INTEGER,
  fit_target INTEGER,
  fit_min_ctx INTEGER,
  n_prompt INTEGER,
  n_gen INTEGER,
  n_depth INTEGER,
  test_time TEXT,
  avg_ns INTEGER,
  stddev_ns INTEGER,
  avg_ts REAL,
  stddev_ts REAL
);

CREATE TABLE IF NOT EXISTS tern_bench (
  llama_bench_rowid INTEGER PRIMARY KEY,
  tern_record TEXT,
  tern_subject TEXT,
  tern_kernels TEXT,
  tern_sequences INTEGER,
  tern_cpu_ms_per_token REAL,
  tern_bytes_per_token REAL,
  tern_gb_per_s REAL,
  tern_roofline_share REAL,
  tern_compute_share REAL,
  tern_ceiling_ts REAL,
  tern_energy_status TEXT,
  tern_energy_why TEXT,
  tern_j_per_token REAL,
  tern_w REAL,
  tern_tokens_per_j REAL,
  tern_logits_hash TEXT,
  tern_ratio REAL,
  tern_ratio_low REAL,
  tern_ratio_high REAL,
  tern_ratio_pairs INTEGER,
  tern_ratio_why TEXT
);

CREATE TABLE IF NOT EXISTS tern_energy (
  llama_bench_rowid INTEGER PRIMARY KEY,
  tern_phase TEXT,
  tern_energy_coverage TEXT,
  tern_edp_js REAL,
  tern_u_abs_j_per_token REAL,
  tern_u_cmp_j_per_token REAL,
  tern_idle_w REAL,
  tern_dynamic_j_per_token REAL,
  tern_dynamic_u_abs REAL,
  tern_dynamic_u_cmp REAL,
  tern_dynamic_why TEXT,
  tern_energy_ratio REAL,
  tern_energy_ratio_low REAL,
  tern_energy_ratio_high REAL,
  tern_saving REAL,
  tern_saving_low REAL,
  tern_saving_high REAL,
  tern_power_ratio REAL,
  tern_power_ratio_low REAL,
  tern_power_ratio_high REAL,
  tern_energy_ratio_why TEXT
);

INSERT INTO llama_bench (build_commit, build_number, cpu_info, gpu_info, backends, model_filename, model_type, model_size, model_n_params, n_batch, n_ubatch, n_threads, cpu_mask, cpu_strict, poll, type_k, type_v, n_gpu_layers, n_cpu_moe, split_mode, main_gpu, no_kv_offload, flash_attn, devices, tensor_split, tensor_buft_overrides, load_mode, embeddings, no_op_offload, no_host, fit_target, fit_min_ctx, n_prompt, n_gen, n_depth, test_time, avg_ns, stddev_ns, avg_ts, stddev_ts) VALUES ('0a1b2c3d4e5f', 0, 'A "quoted" CPU''s name', '', 'CPU', 'synth:tiny', 'tiny i2_s', 700000000, 2410000000, 2048, 512, 4, '0x0', 0, 50, 'f16', 'f16', 0, 0, 'layer', 0, 0, 0, 'auto', '0', 'none', 'none', 0, 0, 0, 0, 0, 100, 0, 64, '2026-01-01T00:00:00Z', 500000000, 0, 200, 0);
INSERT INTO tern_bench VALUES (last_insert_rowid(), '01900000-0000-7000-8000-000000000001', 'ternary', 'avx2', 1, 20, 1000000, 0.2, 0.01, 0.11, 1818.18182, 'not_measured', 'no powercap zone under /sys/class/powercap', NULL, NULL, NULL, '0123456789abcdef', 1.41421356, 0.0172997816, 115.608396, 2, '');
INSERT INTO tern_energy VALUES ((SELECT max(rowid) FROM llama_bench), 'prefill', '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '');
INSERT INTO llama_bench (build_commit, build_number, cpu_info, gpu_info, backends, model_filename, model_type, model_size, model_n_params, n_batch, n_ubatch, n_threads, cpu_mask, cpu_strict, poll, type_k, type_v, n_gpu_layers, n_cpu_moe, split_mode, main_gpu, no_kv_offload, flash_attn, devices, tensor_split, tensor_buft_overrides, load_mode, embeddings, no_op_offload, no_host, fit_target, fit_min_ctx, n_prompt, n_gen, n_depth, test_time, avg_ns, stddev_ns, avg_ts, stddev_ts) VALUES ('0a1b2c3d4e5f', 0, 'A "quoted" CPU''s name', '', 'CPU', 'synth:tiny', 'tiny f16 twin', 4800000000, 2410000000, 2048, 512, 4, '0x0', 0, 50, 'f16', 'f16', 0, 0, 'layer', 0, 0, 0, 'auto', '0', 'none', 'none', 0, 0, 0, 0, 0, 100, 0, 64, '2026-01-01T00:00:00Z', 750000000, 353553391, 150, 70.7106781);
INSERT INTO tern_bench VALUES (last_insert_rowid(), '01900000-0000-7000-8000-000000000001', 'baseline', 'avx2', 1, 30, 6000000, 0.8, 0.04, 0.273333333, 487.804878, 'not_measured', 'no powercap zone under /sys/class/powercap', NULL, NULL, NULL, 'fedcba9876543210', NULL, NULL, NULL, 0, '');
INSERT INTO tern_energy VALUES ((SELECT max(rowid) FROM llama_bench), 'prefill', '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '');
INSERT INTO llama_bench (build_commit, build_number, cpu_info, gpu_info, backends, model_filename, model_type, model_size, model_n_params, n_batch, n_ubatch, n_threads, cpu_mask, cpu_strict, poll, type_k, type_v, n_gpu_layers, n_cpu_moe, split_mode, main_gpu, no_kv_offload, flash_attn, devices, tensor_split, tensor_buft_overrides, load_mode, embeddings, no_op_offload, no_host, fit_target, fit_min_ctx, n_prompt, n_gen, n_depth, test_time, avg_ns, stddev_ns, avg_ts, stddev_ts) VALUES ('0a1b2c3d4e5f', 0, 'A "quoted" CPU''s name', '', 'CPU', 'synth:tiny', 'tiny i2_s', 700000000, 2410000000, 2048, 512, 4, '0x0', 0, 50, 'f16', 'f16', 0, 0, 'layer', 0, 0, 0, 'auto', '0', 'none', 'none', 0, 0, 0, 0, 0, 0, 10, 0, '2026-01-01T00:00:00Z', 1033333333, 57735027, 9.6969697, 0.524863881);
INSERT INTO tern_bench VALUES (last_insert_rowid(), '01900000-0000-7000-8000-000000000001', 'ternary', 'avx2', 1, 413.333333, 1000000, 0.00967741935, 0.000483870968, 0.00532258065, 1818.18182, 'measured', '', 5.16666667, 50, 0.193548387, '0123456789abcdef', 3, 3, 3, 3, '');
INSERT INTO tern_energy VALUES ((SELECT max(rowid) FROM llama_bench), 'decode', '1 of 1 packages + dram', 0.533888889, NULL, NULL, NULL, NULL, NULL, NULL, '', 0.277777778, 0.277777778, 0.277777778, 0.722222222, 0.722222222, 0.722222222, 0.833333333, 0.833333333, 0.833333333, '');
INSERT INTO llama_bench (build_commit, build_number, cpu_info, gpu_info, backends, model_filename, model_type, model_size, model_n_params, n_batch, n_ubatch, n_threads, cpu_mask, cpu_strict, poll, type_k, type_v, n_gpu_layers, n_cpu_moe, split_mode, main_gpu, no_kv_offload, flash_attn, devices, tensor_split, tensor_buft_overrides, load_mode, embeddings, no_op_offload, no_host, fit_target, fit_min_ctx, n_prompt, n_gen, n_depth, test_time, avg_ns, stddev_ns, avg_ts, stddev_ts) VALUES ('0a1b2c3d4e5f', 0, 'A "quoted" CPU''s name', '', 'CPU', 'synth:tiny', 'tiny f16 twin', 4800000000, 2410000000, 2048, 512, 4, '0x0', 0, 50, 'f16', 'f16', 0, 0, 'layer', 0, 0, 0, 'auto', '0', 'none', 'none', 0, 0, 0, 0, 0, 0, 10, 0, '2026-01-01T00:00:00Z', 3100000000, 173205081, 3.23232323, 0.174954627);
INSERT INTO tern_bench VALUES (last_insert_rowid(), '01900000-0000-7000-8000-000000000001', 'baseline', 'avx2', 1, 1240, 6000000, 0.0193548387, 0.000967741935, 0.00661290323, 487.804878, 'measured', '', 18.6, 60, 0.0537634409, 'fedcba9876543210', NULL, NULL, NULL, 0, '');
INSERT INTO tern_energy VALUES ((SELECT max(rowid) FROM llama_bench), 'decode', '1 of 1 packages + dram', 5.766, NULL, NULL, NULL, NULL, NULL, NULL, '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '');
