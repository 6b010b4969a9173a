#include "control/StatusXml.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>

#include "support/SmallStatus.h"

namespace Passenger {

class StatusXmlTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(StatusXmlTest);
    CPPUNIT_TEST(testTheServersFiguresStandFirst);
    CPPUNIT_TEST(testAnInstanceHasTheElementsThatPluginsRead);
    CPPUNIT_TEST(testAnInstanceWithoutAnAnswerWasLastUsedAtItsStart);
    CPPUNIT_TEST(testAnIdleInstanceWasLastUsedWhenItsLastRequestEnded);
    CPPUNIT_TEST(testAnInstanceThatEndsIsDetached);
    CPPUNIT_TEST(testPrivateMemoryIsShownIfItIsKnown);
    CPPUNIT_TEST(testNamesAreEscaped);
    CPPUNIT_TEST(testControlCharactersAreShown);
    CPPUNIT_TEST_SUITE_END();

    static std::string without(std::string text) {
        std::erase(text, '\n');
        std::erase(text, ' ');
        return text;
    }

    static void expectIn(const ServerStatus &status, const std::string &part) {
        const std::string xml = without(statusXml(status));
        CPPUNIT_ASSERT_MESSAGE(xml, xml.find(without(part)) != std::string::npos);
    }

public:
    void testTheServersFiguresStandFirst() {
        expectIn(smallStatus(),
                 "<info version=\"3\"><passenger_version>0.1.0</passenger_version><group_count>2</group_count>"
                 "<process_count>2</process_count><max>6</max><capacity_used>3</capacity_used>"
                 "<get_wait_list_size>1</get_wait_list_size><supergroups><supergroup>");
    }

    void testAnInstanceHasTheElementsThatPluginsRead() {
        expectIn(smallStatus(),
                 "<process><pid>4711</pid><concurrency>1</concurrency><sessions>1</sessions>"
                 "<busyness>2147483647</busyness><processed>8</processed>");
        expectIn(smallStatus(),
                 "<uptime>5h 53m 29s</uptime><life_status>ALIVE</life_status><enabled>ENABLED</enabled>"
                 "<has_metrics>true</has_metrics><cpu>10</cpu><pss>101376</pss>"
                 "<private_dirty>101376</private_dirty><real_memory>101376</real_memory></process>");
        expectIn(smallStatus(), "<get_wait_list_size>4</get_wait_list_size><disable_wait_list_size>");
        expectIn(smallStatus(), "<processes_being_spawned>1</processes_being_spawned><spawning/>");
    }

    void testAnInstanceWithoutAnAnswerWasLastUsedAtItsStart() {
        ServerStatus status = smallStatus();
        status.now = 1000;
        status.apps[0].instances[1].age = 100;
        status.apps[0].instances[1].lastUsed = 0;
        expectIn(
            status,
            "<spawner_creation_time>900000000</spawner_creation_time><spawn_start_time>900000000</spawn_start_time>"
            "<spawn_end_time>900000000</spawn_end_time><last_used>900000000</last_used>"
            "<last_used_desc>1m 40s ago</last_used_desc>");
        expectIn(status, "<last_used>1000000000</last_used><last_used_desc>0s ago</last_used_desc>");
    }

    void testAnIdleInstanceWasLastUsedWhenItsLastRequestEnded() {
        ServerStatus status = smallStatus();
        status.now = 1000;
        status.apps[0].instances[1].age = 100;
        status.apps[0].instances[1].lastUsed = 996;
        expectIn(status, "<processed>3</processed>");
        expectIn(status, "<last_used>996000000</last_used><last_used_desc>4s ago</last_used_desc>");
    }

    void testAnInstanceThatEndsIsDetached() {
        expectIn(smallStatus(),
                 "<life_status>SHUTDOWN_TRIGGERED</life_status><enabled>DETACHED</enabled>"
                 "<has_metrics>false</has_metrics><cpu>0</cpu><pss>0</pss><private_dirty>0</private_dirty>"
                 "<real_memory>0</real_memory></process>");
    }

    void testPrivateMemoryIsShownIfItIsKnown() {
        ServerStatus status = smallStatus();
        status.apps[0].instances[0].privateMemory = 40 << 20;
        expectIn(status, "<private_dirty>40960</private_dirty><real_memory>40960</real_memory></process>");
        status.apps[0].instances[0].measured = {90 << 20, 50 << 20, 1 << 20, 200 << 20, 4700, "Passenger RubyApp: <x>"};
        expectIn(status,
                 "<pss>101376</pss><rss>92160</rss><private_dirty>51200</private_dirty><swap>1024</swap>"
                 "<real_memory>52224</real_memory><vmsize>204800</vmsize>"
                 "<process_group_id>4700</process_group_id>"
                 "<command>Passenger RubyApp: &lt;x&gt;</command></process>");
    }

    void testNamesAreEscaped() { expectIn(smallStatus(), "<name>/srv/shop &lt;&amp;&gt; (production)</name>"); }

    void testControlCharactersAreShown() {
        ServerStatus status = smallStatus();
        status.apps[0].name = "a\x1b[2J\"";
        expectIn(status, "<name>a\\x1b[2J&quot;</name>");
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(StatusXmlTest);

}  // namespace Passenger
