#include "pool/PendingSpawns.h"

namespace Passenger {

void PendingSpawns::begun(const SpawnTask &task) noexcept {
    starting_++;
    replacements_ += task.purpose == SpawnTask::Purpose::GROW ? 0 : 1;
    aboveLimit_ += task.aboveLimit ? 1 : 0;
    loads_ += task.loads ? 1 : 0;
    adoptions_ += task.orphan.empty() ? 0 : 1;
    if (task.purpose == SpawnTask::Purpose::REPLACE) {
        beingReplaced_ = task.replaces;
    }
}

void PendingSpawns::concluded(const SpawnTask &task) noexcept {
    starting_--;
    replacements_ -= task.purpose == SpawnTask::Purpose::GROW ? 0 : 1;
    aboveLimit_ -= task.aboveLimit ? 1 : 0;
    loads_ -= task.loads ? 1 : 0;
    adoptions_ -= task.orphan.empty() ? 0 : 1;
    if (task.purpose == SpawnTask::Purpose::REPLACE) {
        beingReplaced_ = InstanceId();
    }
}

}  // namespace Passenger
