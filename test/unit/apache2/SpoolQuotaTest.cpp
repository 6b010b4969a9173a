#include "apache2/request/SpoolQuota.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "apache2/request/SpoolCharge.h"
#include "apache2/request/SpoolFile.h"
#include "support/Expect.h"
#include "support/LeakCheck.h"
#include "support/ManualClock.h"

namespace Passenger {

using namespace std::chrono_literals;

class SpoolQuotaTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(SpoolQuotaTest);
    CPPUNIT_TEST(testAnApplicationIsRefusedAtItsOwnLimit);
    CPPUNIT_TEST(testAllApplicationsAreRefusedAtTheServersLimit);
    CPPUNIT_TEST(testARefusalCountsNothing);
    CPPUNIT_TEST(testByDefaultAnApplicationLeavesToOthersAsMuchAsItHas);
    CPPUNIT_TEST(testZeroIsNoLimit);
    CPPUNIT_TEST(testAPartOfTheDiskStaysFree);
    CPPUNIT_TEST(testAnApplicationLeavesToOthersAsMuchAsItHasAboveThePartThatStaysFree);
    CPPUNIT_TEST(testTheDiskIsLookedAtOnceASecond);
    CPPUNIT_TEST(testWithoutAKnownDiskTheGivenLimitsHold);
    CPPUNIT_TEST(testItsUseIsTold);
    CPPUNIT_TEST(testEffectsOfLimitsAreCountedOverAllChildren);
    CPPUNIT_TEST(testADeadChildsBytesAreFreeWhenTheyAreNeeded);
    CPPUNIT_TEST(testWithoutALedgerNothingIsLimited);
    CPPUNIT_TEST(testAFileCountsUntilItsEnd);
    CPPUNIT_TEST(testAMovedFileCountsOnce);
    CPPUNIT_TEST(testAFileThatMayNotGrowKeepsItsBytes);
    CPPUNIT_TEST(testAFileThatAnInstanceHasIsEmptyAtItsEnd);
    CPPUNIT_TEST_SUITE_END();

    static constexpr std::uint64_t MB = 1024 * 1024;

    static inline std::optional<SpoolQuota::Space> theSpace;
    static inline int looks = 0;

    ManualClock clock_;
    std::optional<SharedMemory> memory_;
    std::optional<UsageLedger> ledger_;
    std::optional<SpoolQuota> quota_;
    std::string folder_;

    static std::uint64_t keyOf(std::string_view app, const UsageLedger::Secret &) {
        return static_cast<std::uint64_t>(app.front());
    }
    static std::optional<SpoolQuota::Space> measure(const std::string &) {
        looks++;
        return theSpace;
    }
    void limit(const SpoolQuota::Limits &limits) {
        quota_.emplace(SpoolQuota::Parts{&*ledger_, keyOf, clock_, measure}, limits, folder_);
    }
    /** The directive that refuses; empty: none does. */
    std::string take(std::string_view app, std::uint64_t bytes) {
        try {
            quota_->take(quota_->keyOf(app), bytes);
            return "";
        } catch (const SpoolQuotaExceeded &quota) {
            CPPUNIT_ASSERT_EQUAL(ENOSPC, quota.error());
            CPPUNIT_ASSERT(std::string(quota.what()).find(quota.directive()) != std::string::npos);
            return quota.directive();
        }
    }
    void assertUse(const SpoolStatus &expected) {
        const std::optional<SpoolStatus> use = quota_->use();
        CPPUNIT_ASSERT(use);
        CPPUNIT_ASSERT_EQUAL(expected.bytes, use->bytes);
        CPPUNIT_ASSERT_EQUAL(expected.limit, use->limit);
        CPPUNIT_ASSERT_EQUAL(expected.available, use->available);
        CPPUNIT_ASSERT_EQUAL(expected.reserve, use->reserve);
    }
    std::uint64_t all() const { return ledger_->sums(1).all; }
    static constexpr const char *APP = "PassengerMaxDataBufferSizePerApp";
    static constexpr const char *ALL = "PassengerMaxDataBufferSize";
    static constexpr const char *FREE = "PassengerMinDataBufferFreeSpace";

public:
    void setUp() override {
        LeakCheck::setUp();
        memory_ = UsageLedger::make();
        ledger_.emplace(memory_->descriptor().duplicate());
        std::string name = (std::filesystem::temp_directory_path() / "spool-quota-XXXXXX").string();
        CPPUNIT_ASSERT(mkdtemp(name.data()) != nullptr);
        folder_ = name;
        theSpace = SpoolQuota::Space{1'000'000 * MB, 900'000 * MB};
        looks = 0;
    }

    void tearDown() override {
        quota_.reset();
        ledger_.reset();
        memory_.reset();
        std::filesystem::remove_all(folder_);
        LeakCheck::tearDown();
    }

    void testItsUseIsTold() {
        theSpace = SpoolQuota::Space{1'000 * MB, 400 * MB};
        limit({{}, {}, {}});
        CPPUNIT_ASSERT_EQUAL(std::string(), take("a", 100 * MB));
        // The disk was measured before these bytes were written.
        assertUse({100 * MB, 300 * MB, 300 * MB, 50 * MB});
        limit({500 * MB, {}, 7 * MB});
        assertUse({100 * MB, 500 * MB, 400 * MB, 7 * MB});
        theSpace.reset();
        clock_.advance(1s);
        assertUse({100 * MB, 500 * MB, 0, 0});
        quota_.emplace(SpoolQuota::Parts{nullptr, keyOf, clock_, measure}, SpoolQuota::Limits{}, folder_);
        CPPUNIT_ASSERT(!quota_->use());
    }

    void testAnApplicationIsRefusedAtItsOwnLimit() {
        limit({{}, 10 * MB, {}});
        CPPUNIT_ASSERT_EQUAL(std::string(), take("a", 9 * MB));
        CPPUNIT_ASSERT_EQUAL(std::string(APP), take("a", 2 * MB));
        CPPUNIT_ASSERT_EQUAL(std::string(), take("a", 1 * MB));
        CPPUNIT_ASSERT_EQUAL(std::string(), take("b", 10 * MB));
        CPPUNIT_ASSERT_EQUAL(std::string(APP), take("b", 1));
    }

    void testAllApplicationsAreRefusedAtTheServersLimit() {
        limit({15 * MB, 10 * MB, {}});
        CPPUNIT_ASSERT_EQUAL(std::string(), take("a", 10 * MB));
        CPPUNIT_ASSERT_EQUAL(std::string(ALL), take("b", 10 * MB));
        CPPUNIT_ASSERT_EQUAL(std::string(), take("b", 5 * MB));
        CPPUNIT_ASSERT_EQUAL(std::string(ALL), take("c", 1));
    }

    void testARefusalCountsNothing() {
        limit({{}, 10 * MB, {}});
        for (int i = 0; i < 20; i++) {
            CPPUNIT_ASSERT_EQUAL(std::string(APP), take("a", 11 * MB));
        }
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, all());
        quota_->take(quota_->keyOf("a"), 10 * MB);
        quota_->giveBack(quota_->keyOf("a"), 10 * MB);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, all());
    }

    void testByDefaultAnApplicationLeavesToOthersAsMuchAsItHas() {
        theSpace = SpoolQuota::Space{100'000 * MB, 1600 * MB};
        limit({});
        // Three quarters of the free space are 1200 MB.
        CPPUNIT_ASSERT_EQUAL(std::string(), take("a", 600 * MB));
        CPPUNIT_ASSERT_EQUAL(std::string(APP), take("a", 1 * MB));
        CPPUNIT_ASSERT_EQUAL(std::string(), take("b", 300 * MB));
        CPPUNIT_ASSERT_EQUAL(std::string(APP), take("b", 1 * MB));
        CPPUNIT_ASSERT_EQUAL(std::string(), take("c", 150 * MB));
        // The files do not shrink the space of which the limits are parts.
        theSpace->available -= 1050 * MB;
        clock_.advance(1s);
        CPPUNIT_ASSERT_EQUAL(std::string(APP), take("c", 1 * MB));
        CPPUNIT_ASSERT_EQUAL(std::string(), take("d", 70 * MB));
        quota_->giveBack(quota_->keyOf("a"), 600 * MB);
        CPPUNIT_ASSERT_EQUAL(std::string(), take("b", 100 * MB));
    }

    void testZeroIsNoLimit() {
        theSpace = SpoolQuota::Space{10 * MB, 1 * MB};
        limit({0, 0, 0});
        CPPUNIT_ASSERT_EQUAL(std::string(), take("a", 1'000'000 * MB));
        limit({0, {}, 0});
        CPPUNIT_ASSERT_EQUAL(std::string(), take("a", 1'000'000 * MB));
    }

    void testAPartOfTheDiskStaysFree() {
        theSpace = SpoolQuota::Space{1000 * MB, 100 * MB};
        limit({0, 0, 60 * MB});
        CPPUNIT_ASSERT_EQUAL(std::string(), take("a", 40 * MB));
        CPPUNIT_ASSERT_EQUAL(std::string(FREE), take("b", 1));
        // By default a twentieth, but no more than 256 MB.
        theSpace->available = 60 * MB;
        limit({0, 0, {}});
        CPPUNIT_ASSERT_EQUAL(std::string(), take("b", 10 * MB));
        CPPUNIT_ASSERT_EQUAL(std::string(FREE), take("b", 1));
        theSpace = SpoolQuota::Space{1'000'000 * MB, 300 * MB};
        clock_.advance(1s);
        CPPUNIT_ASSERT_EQUAL(std::string(), take("b", 44 * MB));
        CPPUNIT_ASSERT_EQUAL(std::string(FREE), take("b", 1));
    }

    void testAnApplicationLeavesToOthersAsMuchAsItHasAboveThePartThatStaysFree() {
        theSpace = SpoolQuota::Space{1000 * MB, 100 * MB};
        for (const auto &all : {std::optional<std::uint64_t>(), std::optional<std::uint64_t>(0)}) {
            limit({all, {}, 60 * MB});
            CPPUNIT_ASSERT_EQUAL(std::string(), take("a", 20 * MB));
            CPPUNIT_ASSERT_EQUAL(std::string(APP), take("a", 1 * MB));
            CPPUNIT_ASSERT_EQUAL(std::string(), take("b", 10 * MB));
            CPPUNIT_ASSERT_EQUAL(std::string(APP), take("b", 1 * MB));
            quota_->giveBack(quota_->keyOf("a"), 20 * MB);
            quota_->giveBack(quota_->keyOf("b"), 10 * MB);
        }
        // The smaller room counts.
        limit({10 * MB, {}, 60 * MB});
        CPPUNIT_ASSERT_EQUAL(std::string(APP), take("a", 6 * MB));
    }

    void testTheDiskIsLookedAtOnceASecond() {
        limit({});
        for (int i = 0; i < 5; i++) {
            take("a", 1);
        }
        CPPUNIT_ASSERT_EQUAL(1, looks);
        clock_.advance(999ms);
        take("a", 1);
        CPPUNIT_ASSERT_EQUAL(1, looks);
        clock_.advance(1ms);
        take("a", 1);
        CPPUNIT_ASSERT_EQUAL(2, looks);
    }

    void testWithoutAKnownDiskTheGivenLimitsHold() {
        theSpace.reset();
        limit({});
        CPPUNIT_ASSERT_EQUAL(std::string(), take("a", 1'000'000 * MB));
        limit({{}, 10 * MB, {}});
        CPPUNIT_ASSERT_EQUAL(std::string(APP), take("b", 11 * MB));
    }

    void testEffectsOfLimitsAreCountedOverAllChildren() {
        limit({.all = {}, .app = MB, .free = {}});
        CPPUNIT_ASSERT_EQUAL(std::string(APP), take("a", 2 * MB));
        limit({.all = MB, .app = {}, .free = {}});
        for (int i = 0; i < 2; i++) {
            CPPUNIT_ASSERT_EQUAL(std::string(ALL), take("a", 2 * MB));
        }
        limit({.all = 0, .app = 0, .free = 900'000 * MB});
        for (int i = 0; i < 3; i++) {
            CPPUNIT_ASSERT_EQUAL(std::string(FREE), take("a", 2 * MB));
        }
        quota_->count(UsageLedger::Effect::HIJACK_REFUSED);
        quota_->count(UsageLedger::Effect::CLIENT_CUT);
        for (int i = 0; i < 4; i++) {
            quota_->count(UsageLedger::Effect::BODY_IN_PIECES);
        }
        // This child ends, and the next one begins.
        quota_.reset();
        ledger_.reset();
        ledger_.emplace(memory_->descriptor().duplicate());
        limit({.all = {}, .app = MB, .free = {}});
        quota_->count(UsageLedger::Effect::CLIENT_CUT);
        const std::optional<SpoolStatus> use = quota_->use();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, use->appRefused);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, use->refused);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{3}, use->diskRefused);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, use->hijacksRefused);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, use->clientsCut);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{4}, use->bodiesInPieces);
    }

    void testADeadChildsBytesAreFreeWhenTheyAreNeeded() {
        const pid_t child = fork();
        if (child == 0) {
            auto *ledger = new UsageLedger(memory_->descriptor().duplicate());
            ledger->add(keyOf("a", {}), 10 * MB);
            _exit(0);
        }
        waitpid(child, nullptr, 0);
        CPPUNIT_ASSERT_EQUAL(10 * MB, all());
        limit({{}, 10 * MB, {}});
        CPPUNIT_ASSERT_EQUAL(std::string(), take("a", 10 * MB));
        CPPUNIT_ASSERT_EQUAL(std::string(APP), take("a", 1));
    }

    void testWithoutALedgerNothingIsLimited() {
        quota_.emplace(SpoolQuota::Parts{nullptr, nullptr, clock_, measure}, SpoolQuota::Limits{1, 1, 1}, folder_);
        CPPUNIT_ASSERT_EQUAL(std::string(), take("a", 10 * MB));
    }

    void testAFileCountsUntilItsEnd() {
        limit({});
        {
            SpoolFile file(SpoolCharge(*quota_, "a"));
            CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, all());
            file.write(0, "hello");
            const std::uint64_t step = all();
            CPPUNIT_ASSERT(step >= 5);
            file.write(5, std::string(step - 5, 'x'));
            CPPUNIT_ASSERT_EQUAL(step, all());
            file.write(0, std::string(step, 'y'));
            CPPUNIT_ASSERT_EQUAL(step, all());
            file.write(step, "z");
            CPPUNIT_ASSERT_EQUAL(2 * step, all());
            CPPUNIT_ASSERT_EQUAL(2 * step, ledger_->sums(keyOf("a", {})).app);
        }
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, all());
    }

    void testAMovedFileCountsOnce() {
        limit({});
        {
            std::optional<SpoolFile> file(SpoolCharge(*quota_, "a"));
            file->write(0, "hello");
            const std::uint64_t step = all();
            const SpoolFile moved(std::move(*file));
            file.reset();
            CPPUNIT_ASSERT_EQUAL(step, all());
            std::string bytes(5, '\0');
            moved.read(0, bytes);
            CPPUNIT_ASSERT_EQUAL(std::string("hello"), bytes);
        }
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, all());
    }

    void testAFileThatMayNotGrowKeepsItsBytes() {
        limit({{}, 1 * MB, {}});
        SpoolFile file(SpoolCharge(*quota_, "a"));
        file.write(0, "hello");
        CPPUNIT_ASSERT_THROW(file.write(5, std::string(MB, 'x')), SpoolQuotaExceeded);
        file.write(5, "!");
        std::string bytes(6, '\0');
        file.read(0, bytes);
        CPPUNIT_ASSERT_EQUAL(std::string("hello!"), bytes);
    }

    void testAFileThatAnInstanceHasIsEmptyAtItsEnd() {
        limit({});
        FileDescriptor kept;
        {
            SpoolFile file(SpoolCharge(*quota_, "a"));
            file.write(0, "hello");
            kept = file.reopen();
            char byte = 0;
            CPPUNIT_ASSERT_EQUAL(ssize_t{1}, read(kept.get(), &byte, 1));
            CPPUNIT_ASSERT_EQUAL(ssize_t{-1}, write(kept.get(), &byte, 1));
            file.given(ANY_SENDER);
        }
        struct stat status {};
        CPPUNIT_ASSERT_EQUAL(0, fstat(kept.get(), &status));
        CPPUNIT_ASSERT_EQUAL(off_t{0}, status.st_size);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SpoolQuotaTest);

}  // namespace Passenger
