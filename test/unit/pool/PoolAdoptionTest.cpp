// Pool: instances that an earlier pool process has left.

#include <cppunit/extensions/HelperMacros.h>

#include <cstdint>

#include "support/Eventually.h"
#include "support/LeftProcess.h"
#include "support/PoolContract.h"

namespace Passenger {

class PoolAdoptionTest : public PoolContract {
    CPPUNIT_TEST_SUITE(PoolAdoptionTest);
    CPPUNIT_TEST(testAChangeThatIsSeenDuringATakeOverCostsNoInstance);
    CPPUNIT_TEST_SUITE_END();

public:
    void testAChangeThatIsSeenDuringATakeOverCostsNoInstance() {
        const LeftProcess left(inFolder().groupName());
        left.restoreIn(*pool_);
        factory_->hold();
        AnswerPtr answer = ask(inFolder());
        factory_->waitUntilHeld(1);
        restart();
        factory_->letThrough();
        CPPUNIT_ASSERT(eventually([&] { return instances(inFolder()).size() == 1; }));
        CPPUNIT_ASSERT(instances(inFolder())[0].adopted);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, group(inFolder()).version);
        CPPUNIT_ASSERT(answer->session());
        // The new version starts beside it.
        factory_->waitUntilHeld(1);
        CPPUNIT_ASSERT(group(inFolder()).state == GroupState::DEPLOYING);
        CPPUNIT_ASSERT(ask(inFolder())->here());
        factory_->release();
        CPPUNIT_ASSERT(eventually([&] { return group(inFolder()).version == 2; }));
        CPPUNIT_ASSERT_EQUAL(0U, log_->count("event=instance.not_adopted"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolAdoptionTest);

}  // namespace Passenger
