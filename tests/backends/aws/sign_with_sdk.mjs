// What a service in another language does with the emulator: resolve, sign, verify, be refused. Prints what it saw as JSON.
import { createRequire } from "node:module";
import { createPublicKey, verify, constants } from "node:crypto";

const { KMSClient, GetPublicKeyCommand, SignCommand, CreateKeyCommand, DisableKeyCommand } =
  createRequire(process.argv[2] + "/")("@aws-sdk/client-kms");

const kms = new KMSClient({}); // region, endpoint and credentials: from the environment that `farsign emulate` prints
const message = Buffer.from("the same message in every language");
const seen = {};

async function check(alias, SigningAlgorithm, how) {
  const KeyId = `alias/${alias}`;
  const found = await kms.send(new GetPublicKeyCommand({ KeyId }));
  const reply = await kms.send(new SignCommand({ KeyId, Message: message, MessageType: "RAW", SigningAlgorithm }));
  const key = createPublicKey({ key: Buffer.from(found.PublicKey), format: "der", type: "spki" });
  const valid = verify(how.hash ?? null, message, { key, ...how.options }, Buffer.from(reply.Signature));
  seen[alias] = { valid, arn: reply.KeyId, same: reply.KeyId === found.KeyId, signature: Buffer.from(reply.Signature).toString("base64") };
}

await check("es", "ECDSA_SHA_256", { hash: "sha256", options: { dsaEncoding: "der" } });
await check("ed", "ED25519_SHA_512", {});
await check("ps", "RSASSA_PSS_SHA_384", {
  hash: "sha384",
  options: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST },
});

const made = await kms.send(new CreateKeyCommand({ KeySpec: "ECC_NIST_P384", KeyUsage: "SIGN_VERIFY" }));
seen.created = made.KeyMetadata.CreationDate.getTime() / 1000;
await kms.send(new DisableKeyCommand({ KeyId: made.KeyMetadata.KeyId }));
const ask = { KeyId: made.KeyMetadata.KeyId, Message: Buffer.alloc(48), MessageType: "DIGEST", SigningAlgorithm: "ECDSA_SHA_384" };
seen.disabled = await kms.send(new SignCommand(ask)).catch((error) => error.name);
seen.missing = await kms.send(new SignCommand({ ...ask, KeyId: "alias/none" })).catch((error) => error.name);
const stranger = new KMSClient({ credentials: { accessKeyId: "emulator", secretAccessKey: "wrong" } });
seen.stranger = await stranger.send(new SignCommand(ask)).catch((error) => error.name);
console.log(JSON.stringify(seen));
