#pragma once
// Records as text for people and spreadsheets. Derived numbers (means, joules per token) are made
// here, on reading; what was not measured says so.

#include <string>
#include <vector>

#include "harness/record_store.h"

namespace tern::harness {

std::string list_markdown(const std::vector<RecordSummary>& summaries);
std::string list_csv(const std::vector<RecordSummary>& summaries);
std::string record_markdown(const Record& record);

// Columns padded to their widest cell (in code points), so that it reads well unrendered too.
std::string markdown_table(const std::vector<std::string>& header,
                           const std::vector<std::vector<std::string>>& rows);

}  // namespace tern::harness
