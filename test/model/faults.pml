/* What goes wrong from outside, and the verdict when all has come to rest. */

proctype Faults() {
    byte n;
    if
    :: late -> runs[0] > 0
    :: else
    fi;
    do
    ::  atomic { kills > 0 -> kills--; select(n : 0 .. INSTANCES - 1); if :: alive[n] -> alive[n] = false :: else fi; n = 0 }
    ::  atomic { stops > 0 -> stops--; select(n : 0 .. INSTANCES - 1); if :: running(n) -> stopped[n] = true :: else fi; n = 0 }
    ::  atomic { childKills > 0 -> childKills--; childAlive[0] = false; shut = shut | childChannels[0] }
    ::  atomic { agentKills > 0 -> agentKills--; agentAlive = false; registered = 0 }
        atomic {
            do  /* The control sockets that nobody else has end with it. */
            :: n < INSTANCES -> told[n] = told[n] || (started[n] && !deposited[n]); n++
            :: else -> n = 0; break
            od
        }
        atomic { agentEpoch++; agentAlive = true; run Agent(agentEpoch) }
    ::  /* That was all. */
        atomic { kills = 0; stops = 0; childKills = 0; agentKills = 0; deploys = 0; leaves = 0; looks = 0; break }
    od
}

#define serving(i) (running(i) && instanceLine[i] == published[agentEpoch])
/* A stopped instance may have begun with it. */
#define stoppedWith(i, s) (alive[i] && stopped[i] && holds(i, boardChannel[s], boardTicket[s]))
#define settled(s) (childDone[s] || !childAlive[s] || stoppedWith(0, s) || stoppedWith(1, s) || stoppedWith(2, s))

proctype Verdict() {
    timeout -> assert((settled(0) && settled(1)) || !(serving(0) || serving(1) || serving(2)))
}

init {
    byte n;
    atomic {
        c_code {
            now.senders = setting("senders", 1);
            now.requests = setting("requests", 1);
            now.instances = setting("instances", 2);
            now.kills = setting("kills", 0);
            now.stops = setting("stops", 0);
            now.agentKills = setting("agentKills", 0);
            now.childKills = setting("childKills", 0);
            now.deploys = setting("deploys", 0);
            now.leaves = setting("leaves", 0);
            now.looks = setting("looks", 0);
            now.room = setting("room", 6);
            now.late = setting("late", 0);
            now.torn = setting("torn", 0);
            now.mutant = setting("mutant", 0);
        };
        agentAlive = true;
        agentEpoch = 1;
        lines = 1;
        published[1] = 1;
        do
        :: n < instances ->
            started[n] = true; alive[n] = true; deposited[n] = true; instanceEpoch[n] = 1; instanceLine[n] = 1;
            run Instance(n);
            n++
        :: else -> n = 0; break
        od;
        childAlive[0] = true;
        childAlive[1] = true;
        run Child(0);
        if
        :: senders > 1 -> run Child(1)
        :: else -> childDone[1] = true
        fi;
        run Agent(1);
        run Faults();
        run Verdict()
    }
}
