#pragma once

#include <cstddef>
#include <vector>

#include "policy/MemoryBudget.h"

namespace Passenger {

/**
 * Whether an application may start an instance within the budgets, and which ends free the memory.
 *
 * Always true:
 * - **Starts.** An instance starts only if its expected memory fits into the budget. The memory of
 *   instances that start or finish counts. Only an application's first instance may exceed a
 *   budget, if it is alone in it.
 * - **Reserve.** A further instance (GROW) leaves a tenth of the budget free. A first instance,
 *   RESTORE, REPLACE and DEPLOY do not need this reserve, and may start under memory pressure.
 * - **Unknown size.** While no instance was ever measured, one instance starts at a time.
 * - **Ends.** Instances of other applications end only if their memory and the memory about to be
 *   freed suffice. An application within its share loses instances only to a first instance: idle
 *   ones at once, busy ones after the first instance has waited for 30 seconds. Idle instances end
 *   before busy ones.
 * - **Progress.** A first instance that has waited for 30 seconds gets the memory of an instance
 *   that has served for 30 seconds, unless it is larger than the whole budget.
 */
struct MemoryAdmission {
    enum class Start {
        /** One more instance, or the first one. */
        GROW,
        /** In the place of an instance that has ended. */
        RESTORE,
        /** Of an instance that ends as soon as this one serves. */
        REPLACE,
        /** The first one of a new version. */
        DEPLOY
    };
    enum class Verdict {
        START,
        /** There may be room later. */
        WAIT,
        /** A successor has room only when its predecessor has ended. */
        PREDECESSOR_FIRST,
        /** The instance is larger than the server's budget, and other applications have
         *  instances. */
        NEVER
    };
    /** What the start waits for. */
    enum class For {
        /** Memory of the server's budget. */
        ALL,
        /** Memory of the application's own budget. */
        OWN,
        /** The size of the first instance of all. */
        SIZE
    };

    Verdict verdict = Verdict::START;
    For waitsFor = For::ALL;
    /** The ends and replacements that free the memory. */
    std::vector<MemoryBudget::Action> actions{};

    /**
     * The first instance of an application gets the memory of idle instances; those of applications
     * over their share end first. If these do not suffice, busy instances of applications over
     * their share end that have served for five seconds. A further instance gets memory only within
     * the application's share, from idle instances that others have beyond their share.
     */
    static MemoryAdmission of(const MemoryBudget &budget, std::size_t app, Start start);
};

}  // namespace Passenger
