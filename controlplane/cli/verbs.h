/* SPDX-License-Identifier: BSD-3-Clause */
/* The handlers that the command table names, one file per family. Each returns an exit code. */
#pragma once

struct cli;

int verb_check(struct cli *cli);
int verb_test(struct cli *cli);
int verb_explain(struct cli *cli);
int verb_replay(struct cli *cli);
int verb_compile(struct cli *cli);
int verb_assess(struct cli *cli);
int verb_status(struct cli *cli);
int verb_commit(struct cli *cli);
int verb_rollback(struct cli *cli);
int verb_generations(struct cli *cli);
int verb_verify(struct cli *cli);
int verb_flows(struct cli *cli);
