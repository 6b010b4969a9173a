#include "agent/KeptAnswers.h"

#include <fcntl.h>
#include <unistd.h>

#include <functional>
#include <numeric>
#include <utility>

namespace Passenger {

Frame KeptAnswers::answer(std::optional<uid_t> user, const std::string &text, Time now) {
    for (auto &[uid, all] : users_) {
        while (!all.empty() && now - all.front().since > KEPT) {
            emptyOldest(all);
        }
    }
    std::erase_if(users_, [](const auto &entry) { return entry.second.empty(); });
    SharedMemory memory("passenger-status", text.size());
    memory.write(text.data(), text.size(), 0);
    Frame answer(FrameType::ORDER_DONE, {std::to_string(text.size())});
    answer.descriptors.push_back(memory.readOnlyDescriptor());
    if (!user) {
        return answer;
    }
    std::deque<Kept> &all = users_[*user];
    const auto bytes = [&all] {
        return std::transform_reduce(all.begin(), all.end(), std::size_t{0}, std::plus<>(),
                                     [](const Kept &kept) { return kept.memory.size(); });
    };
    while (all.size() >= MOST_ANSWERS || bytes() > MOST_BYTES) {
        emptyOldest(all);
    }
    all.push_back({std::move(memory), now});
    return answer;
}

/** The file keeps its size, which is sealed. Its pages become free, and it reads as zeros. The hole
 *  ends with the last page: a part of one would not become free. */
void KeptAnswers::emptyOldest(std::deque<Kept> &all) {
    const SharedMemory &memory = all.front().memory;
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    ::fallocate(memory.descriptor().get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                static_cast<off_t>((memory.size() / page + 1) * page));
    all.pop_front();
}

}  // namespace Passenger
