#include "apache2/request/UsageLedger.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <optional>
#include <thread>
#include <vector>

#include "base/Exceptions.h"
#include "base/FileDescriptor.h"
#include "support/Expect.h"
#include "support/LeakCheck.h"

namespace Passenger {

class UsageLedgerTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(UsageLedgerTest);
    CPPUNIT_TEST(testBytesAreSummedByApplication);
    CPPUNIT_TEST(testSubtractedBytesCountNoMore);
    CPPUNIT_TEST(testAnEntryIsUsedAgain);
    CPPUNIT_TEST(testAsManyApplicationsAsThereAreEntriesAreCounted);
    CPPUNIT_TEST(testAllChildrenCount);
    CPPUNIT_TEST(testTheBytesOfADeadChildAreDropped);
    CPPUNIT_TEST(testASuccessorClearsTheRowOfADeadChild);
    CPPUNIT_TEST(testTheRowsOfLivingChildrenAreNotDropped);
    CPPUNIT_TEST(testRelayedConnectionsOfAllChildrenAreSummed);
    CPPUNIT_TEST(testStreamsCountApartFromRelayedConnections);
    CPPUNIT_TEST(testAnEntryStaysWhileItCountsFilesOrConnections);
    CPPUNIT_TEST(testTheConnectionsOfADeadChildAreDropped);
    CPPUNIT_TEST(testThreadsOfAChildCountTogether);
    CPPUNIT_TEST(testEachMemoryHasItsOwnSecret);
    CPPUNIT_TEST(testOtherMemoryIsRefused);
    CPPUNIT_TEST_SUITE_END();

    static constexpr std::uint64_t ONE = 11;
    static constexpr std::uint64_t OTHER = 12;
    static constexpr UsageLedger::Use CONNECTION = UsageLedger::Use::CONNECTION;
    static constexpr UsageLedger::Use STREAM = UsageLedger::Use::STREAM;

    /** Another httpd child, which adds bytes and a connection, and then waits for its end. */
    class Child {
    public:
        Child(const SharedMemory &memory, std::uint64_t app, std::uint64_t bytes) : ready_(makePipe()) {
            pid_ = fork();
            if (pid_ == 0) {
                // The parent's ledger is left alone: its lock is the parent's.
                auto *ledger = new UsageLedger(memory.descriptor().duplicate());
                ledger->add(app, bytes);
                ledger->addUse(app, CONNECTION);
                static_cast<void>(!write(ready_.second.get(), "x", 1));
                for (;;) {
                    pause();
                }
            }
            char byte = 0;
            CPPUNIT_ASSERT_EQUAL(ssize_t{1}, read(ready_.first.get(), &byte, 1));
        }
        ~Child() { kill(); }
        Child(const Child &) = delete;
        Child &operator=(const Child &) = delete;

        void kill() {
            if (pid_ > 0) {
                ::kill(pid_, SIGKILL);
                waitpid(pid_, nullptr, 0);
                pid_ = -1;
            }
        }

    private:
        DescriptorPair ready_;
        pid_t pid_ = -1;
    };

    std::optional<SharedMemory> memory_;
    std::optional<UsageLedger> ledger_;

public:
    void setUp() override {
        LeakCheck::setUp();
        memory_ = UsageLedger::make();
        ledger_.emplace(memory_->descriptor().duplicate());
    }

    void tearDown() override {
        ledger_.reset();
        memory_.reset();
        LeakCheck::tearDown();
    }

    void expectSums(std::uint64_t all, std::uint64_t app) {
        const UsageLedger::Sums sums = ledger_->sums(ONE);
        CPPUNIT_ASSERT_EQUAL(all, sums.all);
        CPPUNIT_ASSERT_EQUAL(app, sums.app);
    }

    void testBytesAreSummedByApplication() {
        expectSums(0, 0);
        CPPUNIT_ASSERT(ledger_->add(ONE, 100));
        CPPUNIT_ASSERT(ledger_->add(OTHER, 30));
        CPPUNIT_ASSERT(ledger_->add(ONE, 5));
        expectSums(135, 105);
    }

    void testSubtractedBytesCountNoMore() {
        ledger_->add(ONE, 100);
        ledger_->add(OTHER, 30);
        ledger_->subtract(ONE, 60);
        expectSums(70, 40);
        ledger_->subtract(ONE, 40);
        ledger_->subtract(OTHER, 30);
        expectSums(0, 0);
        ledger_->subtract(ONE, 1);
        expectSums(0, 0);
    }

    void testAnEntryIsUsedAgain() {
        for (std::uint64_t app = 1; app <= 3 * std::uint64_t{UsageLedger::ENTRIES}; app++) {
            CPPUNIT_ASSERT(ledger_->add(app, 7));
            CPPUNIT_ASSERT_EQUAL(std::uint64_t{7}, ledger_->sums(app).app);
            ledger_->subtract(app, 7);
        }
        expectSums(0, 0);
    }

    void testAsManyApplicationsAsThereAreEntriesAreCounted() {
        for (std::uint64_t app = 1; app <= UsageLedger::ENTRIES; app++) {
            CPPUNIT_ASSERT(ledger_->add(app, 1));
        }
        CPPUNIT_ASSERT(!ledger_->add(UsageLedger::ENTRIES + 1, 1));
        CPPUNIT_ASSERT(ledger_->add(ONE, 1));
        expectSums(UsageLedger::ENTRIES + 1, 2);
        ledger_->subtract(OTHER, 1);
        CPPUNIT_ASSERT(ledger_->add(UsageLedger::ENTRIES + 1, 1));
    }

    void testAllChildrenCount() {
        ledger_->add(ONE, 1);
        const Child first(*memory_, ONE, 10);
        const Child second(*memory_, OTHER, 100);
        expectSums(111, 11);
    }

    void testTheBytesOfADeadChildAreDropped() {
        Child child(*memory_, ONE, 10);
        ledger_->add(ONE, 1);
        child.kill();
        expectSums(11, 11);
        CPPUNIT_ASSERT(ledger_->dropDead());
        expectSums(1, 1);
        CPPUNIT_ASSERT(!ledger_->dropDead());
    }

    void testASuccessorClearsTheRowOfADeadChild() {
        Child child(*memory_, ONE, 10);
        child.kill();
        const Child successor(*memory_, OTHER, 100);
        expectSums(100, 0);
    }

    void testTheRowsOfLivingChildrenAreNotDropped() {
        const Child child(*memory_, ONE, 10);
        ledger_->add(ONE, 1);
        CPPUNIT_ASSERT(!ledger_->dropDead());
        expectSums(11, 11);
    }

    void testRelayedConnectionsOfAllChildrenAreSummed() {
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, ledger_->uses(ONE, CONNECTION));
        CPPUNIT_ASSERT(ledger_->addUse(ONE, CONNECTION));
        CPPUNIT_ASSERT(ledger_->addUse(ONE, CONNECTION));
        CPPUNIT_ASSERT(ledger_->addUse(OTHER, CONNECTION));
        const Child child(*memory_, ONE, 10);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{3}, ledger_->uses(ONE, CONNECTION));
        ledger_->removeUse(ONE, CONNECTION);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, ledger_->uses(ONE, CONNECTION));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, ledger_->uses(OTHER, CONNECTION));
        ledger_->removeUse(OTHER, CONNECTION);
        ledger_->removeUse(OTHER, CONNECTION);
        CPPUNIT_ASSERT_EQUAL_MESSAGE("Not below 0", std::uint64_t{0}, ledger_->uses(OTHER, CONNECTION));
        expectSums(10, 10);
    }

    void testStreamsCountApartFromRelayedConnections() {
        ledger_->addUse(ONE, CONNECTION);
        CPPUNIT_ASSERT(ledger_->addUse(ONE, STREAM));
        CPPUNIT_ASSERT(ledger_->addUse(ONE, STREAM));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, ledger_->uses(ONE, STREAM));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, ledger_->uses(ONE, CONNECTION));
        ledger_->removeUse(ONE, CONNECTION);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, ledger_->uses(ONE, STREAM));
        ledger_->removeUse(ONE, STREAM);
        ledger_->removeUse(ONE, STREAM);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, ledger_->uses(ONE, STREAM));
    }

    void testAnEntryStaysWhileItCountsFilesOrConnections() {
        ledger_->add(ONE, 10);
        ledger_->addUse(ONE, CONNECTION);
        ledger_->subtract(ONE, 10);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, ledger_->uses(ONE, CONNECTION));
        ledger_->add(ONE, 5);
        ledger_->removeUse(ONE, CONNECTION);
        expectSums(5, 5);
        ledger_->subtract(ONE, 5);
        for (std::uint64_t app = 1; app <= UsageLedger::ENTRIES; app++) {
            CPPUNIT_ASSERT(ledger_->addUse(app, CONNECTION));
        }
        CPPUNIT_ASSERT(!ledger_->addUse(UsageLedger::ENTRIES + 1, CONNECTION));
    }

    void testTheConnectionsOfADeadChildAreDropped() {
        Child child(*memory_, ONE, 0);
        ledger_->addUse(ONE, CONNECTION);
        child.kill();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, ledger_->uses(ONE, CONNECTION));
        CPPUNIT_ASSERT(ledger_->dropDead());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, ledger_->uses(ONE, CONNECTION));
    }

    void testThreadsOfAChildCountTogether() {
        std::vector<std::thread> threads;
        for (std::uint64_t number = 0; number < 4; number++) {
            threads.emplace_back([this, number] {
                for (int i = 0; i < 1000; i++) {
                    ledger_->add(ONE + number % 2, 3);
                    ledger_->sums(ONE);
                    ledger_->subtract(ONE + number % 2, 2);
                }
            });
        }
        for (std::thread &thread : threads) {
            thread.join();
        }
        expectSums(4000, 2000);
    }

    void testEachMemoryHasItsOwnSecret() {
        UsageLedger::Secret other{};
        const SharedMemory memory = UsageLedger::make();
        memory.read(other.data(), other.size(), 64);
        CPPUNIT_ASSERT(other != UsageLedger::Secret{});
        CPPUNIT_ASSERT(other != ledger_->secret());
    }

    void testOtherMemoryIsRefused() {
        const SharedMemory small("test", 4096);
        CPPUNIT_ASSERT_THROW(UsageLedger(small.descriptor().duplicate()), ProtocolException);
        const SharedMemory empty("test", memory_->size());
        CPPUNIT_ASSERT_THROW(UsageLedger(empty.descriptor().duplicate()), ProtocolException);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(UsageLedgerTest);

}  // namespace Passenger
