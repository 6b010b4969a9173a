#pragma once

#include "base/Processors.h"
#include "control/ServerStatus.h"

namespace Passenger {

/** The part of the processors' time between two moments in which they computed: 0 to 1. */
double processorUse(const ProcessorTimes &before, const ProcessorTimes &after);

/**
 * How many requests a balancer should send to this host, in per cent of what an idle host gets.
 * Fewer requests make the weight larger, whatever it was before. The agent keeps it from swings
 * (policy/SmoothWeights.h).
 *
 * An idle host has 100, and so has one whose instances and processors have half of their time left.
 * From there on the weight falls evenly to 50, which it has when all are busy. Requests that wait
 * divide it: a wait of 200 ms halves it, one of 1.8 s makes a tenth of it. The application that has
 * the least room decides.
 *
 * @param status the applications that the balancer sends requests to @param use of the processors
 * @return 5 to 100, in steps of 5: small changes change nothing in the balancer
 */
unsigned balancerWeight(const ServerStatus &status, double use);
/** The next one of these steps. */
unsigned inWeightSteps(double weight);

}  // namespace Passenger
