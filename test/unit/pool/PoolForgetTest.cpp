// Pool: applications that are forgotten since nobody uses them.

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <iterator>
#include <thread>
#include <utility>

#include "base/Exceptions.h"
#include "io/SocketPair.h"
#include "log/Log.h"
#include "support/Eventually.h"
#include "support/FakeInstances.h"
#include "support/NoThreads.h"
#include "support/PoolFixture.h"
#include "support/SpawningFixture.h"

namespace Passenger {

using namespace std::chrono_literals;

class PoolForgetTest : public PoolFixture {
    CPPUNIT_TEST_SUITE(PoolForgetTest);
    CPPUNIT_TEST(testAnUnusedApplicationIsForgottenAfterAnHour);
    CPPUNIT_TEST(testAForgottenApplicationHasNoDescriptors);
    CPPUNIT_TEST(testAnInstanceKeepsItKnown);
    CPPUNIT_TEST(testAReplyChannelKeepsItKnown);
    CPPUNIT_TEST(testARequestForTheQueueBeginsTheHourAnew);
    CPPUNIT_TEST(testTheTimeCanBeChangedAndZeroIsNever);
    CPPUNIT_TEST(testAForgottenApplicationServesItsNextRequest);
    CPPUNIT_TEST(testARestartCheckSurvivesAForgottenApplication);
    CPPUNIT_TEST(testASpawnThatIsUnderWayKeepsItKnown);
    CPPUNIT_TEST(testWhereAllSlotsAreTakenTheLongestUnusedApplicationGoes);
    CPPUNIT_TEST(testManyMoreApplicationsThanSlotsLeaveNothingBehind);
    CPPUNIT_TEST(testApplicationsThatAChildOnlyAsksForTakeNoSlotFromOthers);
    CPPUNIT_TEST(testAnApplicationThatWasRemovedEndsAndIsForgotten);
    CPPUNIT_TEST(testARequestMakesARemovedApplicationKnownAgain);
    CPPUNIT_TEST(testAnApplicationThatOnlyAnEarlierChildHasEndsAfterItsRequest);
    CPPUNIT_TEST(testALinkOfAnEarlierApplicationOfTheSlotGetsNoChannel);
    CPPUNIT_TEST(testAnApplicationIsForgottenWhereNoThreadCanBeStarted);
    CPPUNIT_TEST(testMemoryThatCannotBeMeasuredIsToldEveryTenMinutes);
    CPPUNIT_TEST(testMemoryThatIsReadWhileTheInstanceEndsIsNotJudged);
    CPPUNIT_TEST_SUITE_END();

    static Options rare(const std::string &root = "/srv/blog") {
        Options options = app(root);
        options.minInstances = 0;
        return options;
    }
    std::size_t known() const { return pool_->inspect().groups.size(); }
    bool knows(const std::string &name) const {
        const auto all = pool_->inspect().groups;
        return std::any_of(all.begin(), all.end(), [&](const auto &one) { return one.name == name; });
    }
    /** Ends the application's instances, and its queue. */
    void becomeUnused() {
        CPPUNIT_ASSERT(eventuallyCount(1));
        pool_->clear();
        step();
        CPPUNIT_ASSERT(eventuallyCount(0));
        advance(20s, 1s);
    }
    Attachment attach(const Options &options) { return pool_->attach(options); }
    void hours(int count) { advance(count * 1h, 5min); }

public:
    void testMemoryThatCannotBeMeasuredIsToldEveryTenMinutes() {
        Pool::Parts parts = this->parts();
        parts.measureMemory = [](const Process &) -> std::optional<ProcessMemory> {
            throw IOException("not permitted");
        };
        Options options = rare();
        options.hardMemoryLimit = 100;
        for (unsigned pools = 1; pools <= 2; ++pools) {
            makePool(parts, PoolSettings());
            attach(options);
            CPPUNIT_ASSERT(eventuallyCount(1));
            pool_->checkMemory();
            pool_->checkMemory();
            CPPUNIT_ASSERT_EQUAL(2 * pools - 1, log_->count("event=memory.unknown"));
            clock_.advance(10min);
            pool_->checkMemory();
            CPPUNIT_ASSERT_EQUAL(2 * pools, log_->count("event=memory.unknown"));
        }
    }

    /** Its application may be forgotten then. */
    void testMemoryThatIsReadWhileTheInstanceEndsIsNotJudged() {
        const ApplicationFolder folder("");
        FakeInstances instances(*loop_, *factory_);
        std::atomic<bool> ended{false};
        Pool::Parts parts = this->parts();
        parts.measureMemory = [&](const Process &) {
            instances.kill(0);
            ended = eventually([this] { return pool_->getCount() == 0; });
            ProcessMemory memory;
            memory.proportional = std::uint64_t{1} << 30;
            return std::optional(memory);
        };
        makePool(parts, PoolSettings());
        Options options = rare(folder.path());
        options.spawnMethod = "smart";
        options.hardMemoryLimit = 100;
        attach(options);
        CPPUNIT_ASSERT(eventuallyCount(1));
        pool_->abandon(options.groupName());
        pool_->checkMemory();
        const bool measured = eventually([&] { return ended.load(); });
        endPool();
        CPPUNIT_ASSERT(measured && !log_->contains("event=instance.killed"));
    }

    void testAnApplicationIsForgottenWhereNoThreadCanBeStarted() {
        attach(rare());
        becomeUnused();
        {
            const NoThreads limit;
            hours(2);
            CPPUNIT_ASSERT_EQUAL(std::size_t{0}, known());
            CPPUNIT_ASSERT(log_->contains("event=spawner.not_ended"));
        }
        // The next application's instance is the next thread, if no earlier one was left.
        attach(rare("/srv/shop"));
        CPPUNIT_ASSERT(eventually([this] { return factory_->alive() == 1; }));
    }

    void testAnUnusedApplicationIsForgottenAfterAnHour() {
        attach(rare());
        becomeUnused();
        advance(55min, 1min);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, known());
        advance(25min, 1min);
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, known());
        CPPUNIT_ASSERT(log_->contains("event=app.forgotten app=\"/srv/blog (production)\"") ||
                       Log::level() < LogLevel::INFO);
    }

    static std::size_t descriptors() {
        return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
    }

    void testAForgottenApplicationHasNoDescriptors() {
        const std::size_t before = descriptors();
        // A dummy of an instance would keep some.
        factory_->failuresToCome = 1;
        attach(rare());
        CPPUNIT_ASSERT(eventually([&] { return pool_->inspect().groups[0].failure.has_value(); }));
        CPPUNIT_ASSERT(descriptors() > before);
        hours(2);
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, known());
        CPPUNIT_ASSERT(eventually([&] { return descriptors() <= before; }));
    }

    void testAnInstanceKeepsItKnown() {
        Options options = rare();
        options.minInstances = 1;
        attach(options);
        CPPUNIT_ASSERT(eventuallyCount(1));
        hours(5);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, known());
        CPPUNIT_ASSERT_EQUAL(1U, count());
    }

    static Options warm() {
        Options options = app("/srv/blog");
        options.minInstances = 1;
        return options;
    }

    void testAnApplicationThatWasRemovedEndsAndIsForgotten() {
        attach(warm());
        CPPUNIT_ASSERT(eventuallyCount(1));
        pool_->abandon("/srv/blog (production)");
        step();
        CPPUNIT_ASSERT(eventuallyCount(0));
        advance(1min, 1s);
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, known());
    }

    void testARequestMakesARemovedApplicationKnownAgain() {
        attach(warm());
        CPPUNIT_ASSERT(eventuallyCount(1));
        pool_->abandon("/srv/blog (production)");
        attach(warm());
        CPPUNIT_ASSERT(eventuallyCount(1));
        hours(5);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, known());
    }

    void testAnApplicationThatOnlyAnEarlierChildHasEndsAfterItsRequest() {
        Options options = warm();
        options.removed = true;
        attach(options);
        CPPUNIT_ASSERT(eventuallyCount(1));
        advance(1min, 1s);
        CPPUNIT_ASSERT(eventuallyCount(0));
        advance(1min, 1s);
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, known());
    }

    void testAReplyChannelKeepsItKnown() {
        const Attachment attachment = attach(rare());
        const std::uint32_t sender = pool_->channels().addSender(InFlightReader());
        DescriptorPair pair = makeSeqPacketPair();
        const ChannelId channel =
            pool_->channels().add(std::move(pair.second), sender, attachment.groupSlot, ChannelSecret::random());
        CPPUNIT_ASSERT(pool_->senders().channelAdded(channel, attachment.groupSlot, attachment.generation));
        becomeUnused();
        hours(5);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, known());
        pool_->senders().channelsGone(sender, std::array{channel});
        hours(2);
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, known());
        pool_->senders().gone(sender);
    }

    void testARequestForTheQueueBeginsTheHourAnew() {
        for (int i = 0; i < 3; i++) {
            attach(rare());
            becomeUnused();
            advance(50min, 5min);
            CPPUNIT_ASSERT_EQUAL(std::size_t{1}, known());
        }
    }

    void testTheTimeCanBeChangedAndZeroIsNever() {
        PoolSettings settings;
        settings.forgetTime = 0s;
        pool_->configure(settings);
        attach(rare());
        becomeUnused();
        hours(24);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, known());
        settings.forgetTime = 10s;
        pool_->configure(settings);
        advance(1min, 1s);
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, known());
    }

    void testAForgottenApplicationServesItsNextRequest() {
        const Attachment before = attach(rare());
        becomeUnused();
        hours(2);
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, known());
        CPPUNIT_ASSERT(get(rare()) != nullptr);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, known());
        CPPUNIT_ASSERT(attach(rare()).generation != before.generation);
    }

    void testARestartCheckSurvivesAForgottenApplication() {
        attach(rare());
        becomeUnused();
        std::atomic<bool> stop = false;
        std::thread checks([&] {
            while (!stop) {
                pool_->checkRestarts();
                pool_->restartFolders();
            }
        });
        hours(2);
        stop = true;
        checks.join();
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, known());
    }

    void testASpawnThatIsUnderWayKeepsItKnown() {
        factory_->hold();
        attach(rare());
        hours(3);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, known());
        factory_->release();
        CPPUNIT_ASSERT(eventuallyCount(1));
    }

    void testWhereAllSlotsAreTakenTheLongestUnusedApplicationGoes() {
        Pool::Parts few = parts();
        few.maxApplications = 2;
        makePool(few, PoolSettings{});
        attach(rare("/srv/one"));
        becomeUnused();
        advance(1min, 10s);
        attach(rare("/srv/two"));
        becomeUnused();
        attach(rare("/srv/three"));
        PoolSnapshot now = pool_->inspect();
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, now.groups.size());
        CPPUNIT_ASSERT_EQUAL(std::string("/srv/three (production)"), now.groups[0].name);
        CPPUNIT_ASSERT_EQUAL(std::string("/srv/two (production)"), now.groups[1].name);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, now.forgotten);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, now.withoutSlot);
        attach(rare("/srv/two"));
        CPPUNIT_ASSERT_THROW(attach(rare("/srv/four")), IOException);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, pool_->inspect().withoutSlot);
    }

    void testManyMoreApplicationsThanSlotsLeaveNothingBehind() {
        Pool::Parts few = parts();
        few.maxApplications = 3;
        makePool(few, PoolSettings{});
        unsigned number = 0;
        // A dummy of an instance would keep descriptors.
        const auto attachSome = [&](unsigned count) {
            for (const unsigned end = number + count; number < end; number++) {
                const std::string root = "/srv/" + std::to_string(number);
                factory_->failuresToCome = 1;
                attach(rare(root));
                CPPUNIT_ASSERT(eventually([&] {
                    const auto groups = pool_->inspect().groups;
                    return std::any_of(groups.begin(), groups.end(),
                                       [&](const GroupSnapshot &one) { return one.root == root && one.failure; });
                }));
                advance(20s, 1s);
            }
        };
        attachSome(5);
        const std::size_t before = descriptors();
        const std::size_t folders = pool_->restartFolders().size();
        attachSome(50);
        CPPUNIT_ASSERT(eventually([&] { return descriptors() <= before; }));
        CPPUNIT_ASSERT_EQUAL(folders, pool_->restartFolders().size());
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, known());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{52}, pool_->inspect().forgotten);
    }

    void testApplicationsThatAChildOnlyAsksForTakeNoSlotFromOthers() {
        Pool::Parts few = parts();
        few.maxApplications = 3;
        PoolSettings settings;
        settings.maxSize = 1;
        makePool(few, settings);
        factory_->hold();
        attach(rare("/srv/starting"));
        // They wait for room in the pool.
        for (const char *name : {"/srv/a", "/srv/b", "/srv/c", "/srv/d"}) {
            attach(rare(name));
            advance(1s, 1s);
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, known());
        CPPUNIT_ASSERT(knows("/srv/starting (production)") && knows("/srv/d (production)"));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, pool_->inspect().forgotten);
        factory_->release();
        CPPUNIT_ASSERT(eventuallyCount(1));
    }

    void testALinkOfAnEarlierApplicationOfTheSlotGetsNoChannel() {
        Pool::Parts few = parts();
        few.maxApplications = 1;
        makePool(few, PoolSettings{});
        const Attachment one = attach(rare("/srv/one"));
        becomeUnused();
        const Attachment two = attach(rare("/srv/two"));
        CPPUNIT_ASSERT_EQUAL(one.groupSlot, two.groupSlot);
        const std::uint32_t sender = pool_->channels().addSender(InFlightReader());
        DescriptorPair pair = makeSeqPacketPair();
        const ChannelId channel =
            pool_->channels().add(std::move(pair.second), sender, one.groupSlot, ChannelSecret::random());
        CPPUNIT_ASSERT(!pool_->senders().channelAdded(channel, one.groupSlot, one.generation));
        CPPUNIT_ASSERT(pool_->senders().channelAdded(channel, two.groupSlot, two.generation));
        pool_->senders().gone(sender);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolForgetTest);

}  // namespace Passenger
