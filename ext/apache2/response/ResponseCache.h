#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/Clock.h"
#include "base/Mutex.h"
#include "exchange/AppVersion.h"

namespace Passenger {

/**
 * A few small answers of applications, to be given again while they are fresh (PassengerTurbocaching). Which answers may be kept is CachePolicy's matter,
 * and what is one request's or another's the caller's: here a key is a text.
 *
 * One for each httpd child, used by all its threads. Knows nothing of httpd. Never larger than MAX_ENTRIES times what one may have.
 */
class ResponseCache {
public:
    static constexpr std::size_t MAX_ENTRIES = 32;
    static constexpr std::size_t MAX_KEY = 2048;
    static constexpr std::size_t MAX_HEAD = 4096;
    static constexpr std::size_t MAX_BODY = 32 * 1024;

    struct Answer {
        int status = 0;
        /** Header lines, as the application gave them. */
        std::string head;
        std::string body;
        /** A newer version's answers are other ones. */
        AppVersion version;
        MonotonicTime receivedAt;
        MonotonicTime freshUntil;
    };
    using AnswerPtr = std::shared_ptr<const Answer>;

    /**
     * How often the pages of a URL were changed, by whichever httpd child: in memory that all of them share. Several URLs share a number, so that a
     * change of one may be taken for that of another.
     */
    class Changes {
    public:
        static constexpr std::size_t COUNT = 4096;
        using Counters = std::array<std::atomic<std::uint32_t>, COUNT>;

        /** @param counters filled with zeros at first; null: there are none, and nothing is kept */
        explicit Changes(Counters *counters) noexcept : counters_(counters) {}
        explicit operator bool() const noexcept {
            return counters_ != nullptr;
        }
        std::uint32_t of(std::string_view url) const noexcept;
        void add(std::string_view url) noexcept;

    private:
        std::atomic<std::uint32_t> &counter(std::string_view url) const noexcept;

        Counters *counters_;
    };

    explicit ResponseCache(Changes changes) noexcept : changes_(changes) {}

    Changes &changes() noexcept {
        return changes_;
    }
    /** Nothing was ever stored: find() finds nothing. */
    bool untouched() const noexcept {
        return !used_.load(std::memory_order_relaxed);
    }
    /** Null: there is none that is fresh, of the version that the application has now, and older than no change of its URL. */
    AnswerPtr find(std::string_view key, std::string_view url, MonotonicTime now) EXCLUDES(mutex_);
    /** @param changesBefore of the URL, when the application was asked */
    void store(std::string_view key, std::uint32_t changesBefore, AnswerPtr answer) EXCLUDES(mutex_);

private:
    struct Entry {
        std::size_t hash = 0;
        std::string key;
        std::uint32_t changes = 0;
        /** Which one was needed last. */
        std::uint64_t usedAt = 0;
        AnswerPtr answer;
    };

    Entry *entryOf(std::string_view key, std::size_t hash) REQUIRES(mutex_);
    Entry &leastNeeded() REQUIRES(mutex_);

    Changes changes_;
    std::atomic<bool> used_{false};
    Mutex mutex_{Locks::RESPONSE_CACHE};
    std::array<Entry, MAX_ENTRIES> entries_ GUARDED_BY(mutex_);
    std::uint64_t uses_ GUARDED_BY(mutex_) = 0;
};

}  // namespace Passenger
