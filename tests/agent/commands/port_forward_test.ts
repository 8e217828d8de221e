// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { concatBytes, fromUtf8, utf8 } from "../../../lib/shared/base/mod.ts";
import {
  encodeMessage,
  Method,
  PortForwardSchema,
} from "../../../lib/shared/wire/mod.ts";
import { TestOperator } from "../_support/test_operator.ts";
import { AgentFixture, KEY } from "../_support/agent_fixture.ts";

Deno.test("servePortForward() connects both directions and keeps reading after the client's half-close", async () => {
  await using operator = await TestOperator.start({ key: KEY });
  await using agent = new AgentFixture(operator.endpoint);
  agent.engine.connectPort = async (request, io) => {
    assert.equal(request.port, 8080);
    const sent = concatBytes(await Array.fromAsync(io.input));
    await io.output(utf8(`got ${fromUtf8(sent)}`));
    await io.endOutput();
  };
  await operator.waitForLink();
  const stream = operator.session.open(
    Method.PORT_FORWARD,
    encodeMessage(PortForwardSchema, { port: 8080 }),
  );
  await stream.write(0, utf8("ping"));
  await stream.end(0);
  const response = concatBytes(await Array.fromAsync(stream.read(1)));
  assert.equal(fromUtf8(response), "got ping");
  await stream.result;
});
