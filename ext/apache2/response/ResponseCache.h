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
 * A few small answers of applications, to be given again while they are fresh
 * (PassengerTurbocaching). CachePolicy decides which answers may be kept. The caller makes the key
 * of a request, which here is a text.
 *
 * One for each httpd child, used by all its threads. Has no code of httpd. Always at most
 * MAX_ENTRIES entries of limited size.
 */
class ResponseCache {
public:
    static constexpr std::size_t MAX_ENTRIES = 32;
    /** Has room for the variables of mod_ssl, with certificates. */
    static constexpr std::size_t MAX_KEY = 8192;
    static constexpr std::size_t MAX_HEAD = 4096;
    static constexpr std::size_t MAX_BODY = 32 * 1024;

    struct Answer {
        int status = 0;
        /** Header lines, as the application gave them. */
        std::string head;
        std::string body;
        /** The version of the application that gave the answer. Another version's answers are not
         *  used. */
        AppVersion version;
        MonotonicTime receivedAt;
        MonotonicTime freshUntil;
    };
    using AnswerPtr = std::shared_ptr<const Answer>;

    /**
     * Counts the changes of the pages of each URL, by any httpd child. The counters are in memory
     * that all children share. Several URLs share a counter, so a change of one may invalidate the
     * answers of another.
     */
    class Changes {
    public:
        static constexpr std::size_t COUNT = 4096;
        using Counters = std::array<std::atomic<std::uint32_t>, COUNT>;

        /** @param counters zeros at first; null: nothing is cached */
        explicit Changes(Counters *counters) noexcept : counters_(counters) {}
        explicit operator bool() const noexcept { return counters_ != nullptr; }
        std::uint32_t of(std::string_view url) const noexcept;
        void add(std::string_view url) noexcept;

    private:
        std::atomic<std::uint32_t> &counter(std::string_view url) const noexcept;

        Counters *counters_;
    };

    explicit ResponseCache(Changes changes) noexcept : changes_(changes) {}

    Changes &changes() noexcept { return changes_; }
    /** True: nothing was ever stored, so find() finds nothing. */
    bool untouched() const noexcept { return !used_.load(std::memory_order_relaxed); }
    /** The answer that is fresh, of the application's current version, and newer than each change
     *  of its URL. Null: there is none. */
    AnswerPtr find(std::string_view key, std::string_view url, MonotonicTime now) EXCLUDES(mutex_);
    /** @param changesBefore the URL's number of changes when the application got the request */
    void store(std::string_view key, std::uint32_t changesBefore, AnswerPtr answer) EXCLUDES(mutex_);

private:
    struct Entry {
        std::size_t hash = 0;
        std::string key;
        std::uint32_t changes = 0;
        /** A counter value: the higher, the later the last use. */
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
