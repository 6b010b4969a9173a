#include "base/LogTarget.h"

#include <cppunit/extensions/HelperMacros.h>

namespace Passenger {

class LogTargetTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(LogTargetTest);
    CPPUNIT_TEST(testSyslogHasTheFacilityOfHttpd);
    CPPUNIT_TEST(testAFacilityIsTakenInAnyCase);
    CPPUNIT_TEST(testJournaldHasNoFacility);
    CPPUNIT_TEST(testOtherValuesAreRefused);
    CPPUNIT_TEST(testAPathIsNoTarget);
    CPPUNIT_TEST_SUITE_END();

public:
    void testSyslogHasTheFacilityOfHttpd() {
        CPPUNIT_ASSERT(LogTarget::parse("syslog") == (LogTarget{LogTarget::Kind::SYSLOG, LOG_LOCAL7}));
    }
    void testAFacilityIsTakenInAnyCase() {
        CPPUNIT_ASSERT(LogTarget::parse("Syslog:DAEMON") == (LogTarget{LogTarget::Kind::SYSLOG, LOG_DAEMON}));
    }
    void testJournaldHasNoFacility() {
        CPPUNIT_ASSERT(LogTarget::parse("journald")->kind == LogTarget::Kind::JOURNALD);
        CPPUNIT_ASSERT(LogTarget::isNamedBy("journald:daemon"));
        CPPUNIT_ASSERT(!LogTarget::parse("journald:daemon"));
    }
    void testOtherValuesAreRefused() {
        for (const char *value : {"syslog:", "syslog:nonsense", "syslog:daemon:tag", "syslog:daemo"}) {
            CPPUNIT_ASSERT(LogTarget::isNamedBy(value));
            CPPUNIT_ASSERT(!LogTarget::parse(value));
        }
    }
    void testAPathIsNoTarget() {
        for (const char *value : {"", "/var/log/syslog", "logs/syslog", "syslog.log", "./syslog", "|cat"}) {
            CPPUNIT_ASSERT(!LogTarget::isNamedBy(value));
            CPPUNIT_ASSERT(!LogTarget::parse(value));
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(LogTargetTest);

}  // namespace Passenger
