#include "policy/SmoothWeights.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "support/ManualClock.h"

namespace Passenger {

using namespace std::chrono_literals;

class SmoothWeightsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(SmoothWeightsTest);
    CPPUNIT_TEST(testTheFirstWeightIsTheMeasuredOne);
    CPPUNIT_TEST(testAWeightGoesHalfOfTheWayInTwoSeconds);
    CPPUNIT_TEST(testItDoesNotDependOnHowOftenItIsAskedFor);
    CPPUNIT_TEST(testASmallChangeIsToldAsFarAsItStays);
    CPPUNIT_TEST(testASwingOfFewPointsIsNotTold);
    CPPUNIT_TEST(testQuestionsDoNotMix);
    CPPUNIT_TEST(testAnOldWeightIsForgotten);
    CPPUNIT_TEST(testTheOldestOfManyQuestionsIsForgotten);
    CPPUNIT_TEST(testASlowHostComesToRest);
    CPPUNIT_TEST_SUITE_END();

    ManualClock clock_;
    SmoothWeights weights_;

    double next(double measured, const std::string &question = "all") {
        return weights_.next(question, measured, clock_.now());
    }

public:
    void testTheFirstWeightIsTheMeasuredOne() { CPPUNIT_ASSERT_EQUAL(60.0, next(60)); }

    void testAWeightGoesHalfOfTheWayInTwoSeconds() {
        next(100);
        clock_.advance(2s);
        CPPUNIT_ASSERT_DOUBLES_EQUAL(75, next(50), 1e-9);
        clock_.advance(4s);
        CPPUNIT_ASSERT_DOUBLES_EQUAL(93.75, next(100), 1e-9);
    }

    void testItDoesNotDependOnHowOftenItIsAskedFor() {
        next(100);
        for (unsigned i = 0; i < 8; i++) {
            clock_.advance(250ms);
            next(50);
        }
        CPPUNIT_ASSERT_DOUBLES_EQUAL(75, next(50), 1e-9);
        for (unsigned i = 0; i < 3; i++) {
            clock_.advance(1s);
            next(50);
        }
        CPPUNIT_ASSERT_DOUBLES_EQUAL(58.8, next(50), 0.1);
    }

    void testASmallChangeIsToldAsFarAsItStays() {
        next(80);
        clock_.advance(2s);
        CPPUNIT_ASSERT_DOUBLES_EQUAL(80, next(71), 1.5);
        clock_.advance(10s);
        CPPUNIT_ASSERT_DOUBLES_EQUAL(75, next(71), 1);
    }

    /** As the measured weight of a slow host goes up and down. */
    void testASwingOfFewPointsIsNotTold() {
        double least = 100;
        double most = 0;
        for (unsigned second = 0; second < 600; second++) {
            clock_.advance(1s);
            const double told = next(78 + 9 * std::sin(second * 2 * 3.14 / 26));
            least = second < 60 ? 100 : std::min(least, told);
            most = second < 60 ? 0 : std::max(most, told);
        }
        CPPUNIT_ASSERT_MESSAGE(std::to_string(least) + " " + std::to_string(most), most - least < 6);
    }

    void testQuestionsDoNotMix() {
        next(100, "blog");
        CPPUNIT_ASSERT_EQUAL(5.0, next(5, "shop"));
    }

    void testAnOldWeightIsForgotten() {
        next(100);
        clock_.advance(15s + 1ms);
        CPPUNIT_ASSERT_EQUAL(50.0, next(50));
    }

    void testTheOldestOfManyQuestionsIsForgotten() {
        next(100, "z");
        clock_.advance(1ms);
        for (unsigned i = 0; i < SmoothWeights::MOST; i++) {
            next(100, std::to_string(i));
        }
        CPPUNIT_ASSERT_EQUAL(50.0, next(50, "z"));
    }

    /** Three hosts, of which the first has half of the processors. Each takes of the requests by
     *  its weight. Without a past the slow one's weight would swing for ever. */
    void testASlowHostComesToRest() {
        const std::array<double, 3> capacity{0.5, 1, 1};
        std::array<double, 3> weight{100, 100, 100};
        const std::array<std::string, 3> names{"a", "b", "c"};
        std::vector<double> slow;
        for (unsigned question = 0; question < 300; question++) {
            clock_.advance(2s);
            const double all = weight[0] + weight[1] + weight[2];
            for (std::size_t i = 0; i < weight.size(); i++) {
                const double use = std::min(1.0, 1.8 * weight.at(i) / all / capacity.at(i));
                weight.at(i) = next(100 * (1 - std::max(0.0, use - 0.5)), names.at(i));
            }
            slow.push_back(weight[0]);
        }
        const auto [least, most] = std::minmax_element(slow.begin() + 5, slow.end());
        CPPUNIT_ASSERT_MESSAGE(std::to_string(*least) + " " + std::to_string(*most), *most - *least < 2);
        // Within 5 seconds: two questions.
        CPPUNIT_ASSERT_DOUBLES_EQUAL(slow.back(), slow[1], 10);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SmoothWeightsTest);

}  // namespace Passenger
