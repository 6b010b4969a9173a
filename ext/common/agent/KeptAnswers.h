#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "io/Frame.h"
#include "shm/SharedMemory.h"

namespace Passenger {

/**
 * Answers in memory files, since an answer may be longer than a frame. The memory counts as this
 * process's while an asker keeps the descriptor. So the oldest answers of a user are emptied when
 * the user has too many. An asker reads an answer at once.
 *
 * Not thread-safe.
 */
class KeptAnswers {
public:
    using Time = std::chrono::steady_clock::time_point;

    /** The limits of a user: bytes beside the newest answer, and answers. */
    static constexpr std::size_t MOST_BYTES = std::size_t{16} * 1024 * 1024;
    static constexpr std::size_t MOST_ANSWERS = 64;
    /** An older answer is emptied at the next one of any user. */
    static constexpr std::chrono::minutes KEPT{1};

    /**
     * @param user nothing: one who is trusted, without limits
     * @throws SystemException
     */
    Frame answer(std::optional<uid_t> user, const std::string &text, Time now = std::chrono::steady_clock::now());

private:
    struct Kept {
        SharedMemory memory;
        Time since;
    };

    static void emptyOldest(std::deque<Kept> &all);

    std::map<uid_t, std::deque<Kept>> users_;
};

}  // namespace Passenger
