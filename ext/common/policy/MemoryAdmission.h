#pragma once

#include <cstddef>
#include <vector>

#include "policy/MemoryBudget.h"

namespace Passenger {

/**
 * Whether an application may start an instance within the budgets, and what makes room for it.
 *
 * Always true:
 * - **Starts.** Nothing starts beyond a budget, but an instance that is alone in it. Instances that
 *   start or leave count. A further instance leaves a tenth free. A first one, one that is restored
 *   and a successor do without this reserve, and start under pressure: they bring no more memory.
 *   While no size is known at all, one instance starts, and the next when that is measured.
 * - **Ends.** Instances end for another application only if their memory suffices with what else is
 *   about to be free. Those of applications within their share end only for a first instance: idle
 *   ones for any, busy ones for one that has waited for half a minute. Idle ones end before busy
 *   ones.
 * - **Progress.** A first instance that has waited for half a minute gets the memory of any that
 *   has served as long, one that is larger than the budget excepted: it never starts beside others.
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
    /** Whose memory it waits for. */
    enum class For {
        ALL,
        /** Only its own budget refuses. */
        OWN,
        /** The size of the first instance of all. */
        SIZE
    };

    Verdict verdict = Verdict::START;
    For waitsFor = For::ALL;
    /** What makes room for it. */
    std::vector<MemoryBudget::Action> actions{};

    /**
     * The first instance of an application gets room from idle instances, first from those of
     * applications over their share, else from busy ones of these that have served for five
     * seconds. Another one gets room only for the application's share, from idle instances that
     * others have beyond theirs.
     */
    static MemoryAdmission of(const MemoryBudget &budget, std::size_t app, Start start);
};

}  // namespace Passenger
