// In-flight table, claims, withdrawal marks and generation table, with several threads at once, as
// the processes use them.

#include <sys/types.h>
#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <thread>
#include <vector>

#include "shm/Claims.h"
#include "shm/ClaimsView.h"
#include "shm/GenerationTable.h"
#include "shm/GenerationTableView.h"
#include "shm/InFlightReader.h"
#include "shm/InFlightTable.h"
#include "shm/InstanceClaim.h"
#include "shm/SenderMemory.h"
#include "shm/SenderMemoryView.h"
#include "support/LeakCheck.h"

namespace Passenger {

using namespace std::chrono_literals;

/**
 * The threads of one child share its view, so ThreadSanitizer sees their accesses to the same
 * words. Processes have mappings of their own, which ThreadSanitizer takes for different memory.
 * Between processes, only the result shows a race.
 */
class SharedMemoryRaceTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(SharedMemoryRaceTest);
    CPPUNIT_TEST(testRequestsInFlightAreCountedByManyThreadsAtOnce);
    CPPUNIT_TEST(testOneOfManyThreadsWakesTheAgent);
    CPPUNIT_TEST(testAnInstanceThatMapsItsClaimNeverRunsARequestFoundNotBegun);
    CPPUNIT_TEST(testAnInstanceThatClaimsBySystemCallNeverRunsARequestFoundNotBegun);
    CPPUNIT_TEST(testTheInFlightTableShowsAllRequestsInFlight);
    CPPUNIT_TEST(testAGenerationIsNeverSeenBeforeItsCapacity);
    CPPUNIT_TEST_SUITE_END();

    static constexpr unsigned THREADS = 4;
    static constexpr std::uint32_t CHILDREN = 2;
    static constexpr ChannelId CHANNEL{(5ULL << 16) | 17};

    /** Limits the rounds: on a busy machine, threads that wait for each other are slow. The rounds
     *  end at the number or at the deadline. */
    class Rounds {
    public:
        explicit Rounds(std::uint64_t most) : most_(most) {}
        /** The number of the next round, from 1; 0: the end. */
        std::uint64_t next() { return done_ < most_ && std::chrono::steady_clock::now() < deadline_ ? ++done_ : 0; }

    private:
        const std::uint64_t most_;
        std::uint64_t done_ = 0;
        const std::chrono::steady_clock::time_point deadline_ = std::chrono::steady_clock::now() + 2s;
    };

    /** Runs `last` in this thread, after which the other threads must end by themselves. */
    static void runTogether(
        unsigned threads, const std::function<void(unsigned)> &work, const std::function<void()> &last = [] {}) {
        std::vector<std::jthread> running;
        for (unsigned i = 0; i < threads; i++) {
            running.emplace_back([&work, i] { work(i); });
        }
        last();
    }

    /** Claims as an instance in C++ does. */
    class MappedInstance {
    public:
        MappedInstance(const Claims &claims, const SenderMemory &senders)
            : memory_(claims.memory().descriptor(), senders.memory().readOnlyDescriptor()), claim_(memory_, 0) {}

        bool take(ChannelId channel, std::uint64_t ticket) { return claim_.take(channel, Ticket(ticket)); }
        void complete() { claim_.complete(MonotonicTime()); }

    private:
        InstanceClaim::Memory memory_;
        InstanceClaim claim_;
    };

    /** Claims as an instance without native code does: by system calls. */
    class ReadingInstance {
    public:
        ReadingInstance(const Claims &claims, const SenderMemory &senders)
            : claims_(claims.memory().descriptor()), senders_(senders.memory().readOnlyDescriptor()) {}

        bool take(ChannelId channel, std::uint64_t ticket) {
            write({channel.value(), ticket});
            std::uint64_t mark = 0;
            const auto offset = static_cast<off_t>(SenderMemoryLayout::mark(channel.value()));
            CPPUNIT_ASSERT(::pread(senders_.get(), &mark, sizeof(mark), offset) == sizeof(mark));
            return !SenderMemoryLayout::withdraws(mark, channel.value(), ticket);
        }
        void complete() { write({}); }

    private:
        using Claim = std::array<std::uint64_t, 2>;

        void write(const Claim &claim) {
            const auto offset = static_cast<off_t>(ClaimsLayout::offset(0));
            CPPUNIT_ASSERT(::pwrite(claims_.get(), claim.data(), sizeof(claim), offset) == sizeof(claim));
        }

        const FileDescriptor &claims_;
        const FileDescriptor senders_;
    };

    /** A child sends requests and withdraws each at once; an instance takes the requests that it
     *  sees. Neither waits for the other, except the instance after it has begun a request: the
     *  child must then see the claim. */
    template <typename Instance> static void withdrawAgainstClaims() {
        constexpr std::uint64_t MOST = 1'000'000;
        const Claims claims;
        SenderMemory senders;
        senders.reset(CHANNEL);
        const ClaimsView seen(claims.memory().readOnlyDescriptor());
        SenderMemoryView view(senders.memory().descriptor());
        Instance instance(claims, senders);
        // Tickets: the last one sent, and the last one whose claim the child has looked for.
        std::atomic<std::uint64_t> sent{0};
        std::atomic<std::uint64_t> looked{0};
        std::atomic<bool> over{false};
        std::vector<bool> begun(MOST + 1);
        std::vector<bool> notBegun(MOST + 1);
        const auto take = [&](unsigned) {
            for (std::uint64_t last = 0; !over;) {
                const std::uint64_t ticket = sent;
                if (ticket == last) {
                    continue;
                }
                if (instance.take(CHANNEL, ticket)) {
                    begun[ticket] = true;
                    while (looked < ticket && !over) {
                        std::this_thread::yield();
                    }
                }
                instance.complete();
                last = ticket;
            }
        };
        runTogether(1, take, [&] {
            Rounds rounds(MOST);
            while (const std::uint64_t ticket = rounds.next()) {
                sent = ticket;
                // Varies which of the two is first.
                for (std::uint64_t pause = ticket % 256; pause > 0; pause--) {
                    static_cast<void>(sent.load(std::memory_order_relaxed));
                }
                view.withdraw(CHANNEL, Ticket(ticket));
                notBegun[ticket] = !seen.holds(CHANNEL, Ticket(ticket));
                looked = ticket;
            }
            over = true;
        });
        for (std::uint64_t ticket = 1; ticket <= MOST; ticket++) {
            CPPUNIT_ASSERT(!(begun[ticket] && notBegun[ticket]));
        }
    }

public:
    void testRequestsInFlightAreCountedByManyThreadsAtOnce() {
        constexpr std::uint64_t TURNS = 200'000;
        SenderMemory senders;
        std::vector<std::unique_ptr<SenderMemoryView>> children;
        for (std::uint32_t i = 0; i < CHILDREN; i++) {
            children.push_back(std::make_unique<SenderMemoryView>(senders.memory().descriptor()));
        }
        std::atomic<bool> tooMany{false};
        runTogether(THREADS, [&](unsigned thread) {
            const std::uint32_t child = thread % CHILDREN;
            SenderMemoryView &view = *children[child];
            for (std::uint64_t i = 0; i < TURNS; i++) {
                const unsigned sum = view.add(child, CHILDREN);
                tooMany = tooMany || sum < 1 || sum > THREADS;
                view.completed(child, 1ms, 1ms);
                view.refused(child);
                view.timedOut(child, 1ms);
                view.left(child, 1ms);
                view.remove(child);
            }
        });
        CPPUNIT_ASSERT(!tooMany);
        CPPUNIT_ASSERT_EQUAL(0U, senders.inFlight(CHILDREN));
        CPPUNIT_ASSERT(senders.peak() >= 1 && senders.peak() <= THREADS);
        const GroupStatistics counted = senders.statistics(CHILDREN);
        for (const std::uint64_t count : {counted.completed, counted.refused, counted.timedOut, counted.left}) {
            CPPUNIT_ASSERT_EQUAL(THREADS * TURNS, count);
        }
        const auto sum = [](const LogHistogram &histogram) {
            return std::accumulate(std::begin(histogram.counts), std::end(histogram.counts), std::uint64_t{0});
        };
        CPPUNIT_ASSERT_EQUAL(THREADS * TURNS, sum(counted.serviceTime));
        CPPUNIT_ASSERT_EQUAL(3 * THREADS * TURNS, sum(counted.queueTime));
    }

    void testOneOfManyThreadsWakesTheAgent() {
        SenderMemory senders;
        SenderMemoryView view(senders.memory().descriptor());
        std::atomic<unsigned> woken{0};
        std::atomic<bool> wrong{false};
        runTogether(THREADS, [&](unsigned) {
            Rounds rounds(1'000'000);
            while (rounds.next() != 0) {
                if (view.askForMore()) {
                    wrong = wrong || ++woken != 1;
                    woken--;
                    senders.clearWanted();
                }
            }
        });
        CPPUNIT_ASSERT(!wrong);
        CPPUNIT_ASSERT(!senders.wanted());
    }

    void testAnInstanceThatMapsItsClaimNeverRunsARequestFoundNotBegun() { withdrawAgainstClaims<MappedInstance>(); }

    void testAnInstanceThatClaimsBySystemCallNeverRunsARequestFoundNotBegun() {
        withdrawAgainstClaims<ReadingInstance>();
    }

    void testTheInFlightTableShowsAllRequestsInFlight() {
        constexpr std::uint32_t GROUP = 7;
        InFlightTable inFlightTable;
        const InFlightReader reader(inFlightTable.memory().descriptor().duplicate());
        std::array<std::atomic<std::uint64_t>, THREADS> inFlight{};
        std::atomic<bool> over{false};
        unsigned missing = 0;
        const auto send = [&](unsigned thread) {
            std::uint64_t ticket = 0;
            while (!over) {
                const std::uint32_t entry = inFlightTable.allocate();
                for (int i = 0; i < 10; i++) {
                    inFlightTable.sending(entry, ChannelId(thread + 1), Ticket(++ticket), GROUP, MonotonicTime());
                    inFlight[thread].store(ticket, std::memory_order_release);
                    inFlightTable.sent(entry);
                    inFlight[thread].store(0, std::memory_order_release);
                    inFlightTable.done(entry);
                }
                inFlightTable.release(entry);
            }
        };
        runTogether(THREADS, send, [&] {
            Rounds rounds(20'000);
            while (const std::uint64_t round = rounds.next()) {
                const unsigned thread = round % THREADS;
                const std::uint64_t before = inFlight[thread];
                const std::vector<InFlightEntry> entries = reader.inFlight(GROUP);
                // If the request was not in flight all the time, any state may have been seen.
                if (before != 0 && inFlight[thread] == before) {
                    const auto found = std::find_if(entries.begin(), entries.end(), [&](const InFlightEntry &entry) {
                        return entry.channel == thread + 1 && entry.ticket == before;
                    });
                    missing += found == entries.end() ? 1 : 0;
                }
            }
            over = true;
        });
        CPPUNIT_ASSERT_EQUAL(0U, missing);
        CPPUNIT_ASSERT(reader.inFlight(GROUP).empty());
        CPPUNIT_ASSERT_EQUAL(0U, inFlightTable.allocate());
    }

    void testAGenerationIsNeverSeenBeforeItsCapacity() {
        // The numbers have one byte, which a system call cannot write partly.
        constexpr std::uint32_t LAST = 255;
        constexpr std::uint32_t SLOTS = 64;
        GenerationTable table;
        const GenerationTableView view(table.memory().readOnlyDescriptor());
        std::atomic<bool> wrong{false};
        runTogether(
            THREADS,
            [&](unsigned) {
                for (std::uint32_t slot = 0; slot < SLOTS; slot++) {
                    for (std::uint64_t seen = 0; seen < LAST;) {
                        const std::uint64_t generation = view.generation(slot).value();
                        wrong = wrong || generation < seen || view.instances(slot).capacity < generation;
                        seen = std::max(seen, generation);
                    }
                }
            },
            [&] {
                for (std::uint32_t slot = 0; slot < SLOTS; slot++) {
                    for (std::uint32_t i = 1; i <= LAST; i++) {
                        table.publish(slot, Generation(i), {i, 0, 0, 0});
                    }
                }
            });
        CPPUNIT_ASSERT(!wrong);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SharedMemoryRaceTest);

}  // namespace Passenger
