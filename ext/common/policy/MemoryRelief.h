#pragma once

#include <vector>

#include "policy/MemoryBudget.h"

namespace Passenger {

/**
 * What the budgets need, in this order. Above a limit:
 * 1. Idle instances of applications over their share end, first those of the application that is
 *    the most over it.
 * 2. Instances that leak end after their requests, first of applications over their share, and
 *    those that have grown most. Only above a budget.
 * 3. Idle instances of applications that have a further one end.
 * 4. Busy instances of applications over their share that have a further one end after their
 *    requests. Only above a budget.
 * Near a limit, instances that leak are replaced while their successors have room. An instance in
 * its first minute is not: its successor would soon be as large.
 *
 * Always true: busy instances end only above the budget itself. The last instance of an
 * application ends if it is idle and the application is over its share, or if it leaks.
 */
std::vector<MemoryBudget::Action> reliefOf(MemoryBudget budget);

}  // namespace Passenger
