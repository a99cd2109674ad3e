#pragma once
// Every task of this folder, for the one array that lists them.

#include "evals/task.h"

namespace tern::evals {

extern const TaskInfo kGsm8kTask;
extern const TaskInfo kPiqaTask;

}  // namespace tern::evals
