// The AWS SDK for JavaScript and minio, driven by test_javascript.py: node sdk.mjs COMMAND BUCKET [FILE...]
import * as aws from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { Client } from "minio";
import { createReadStream, readFileSync } from "node:fs";

const { ENDPOINT, KEY, SECRET, REGION } = process.env;
const credentials = { accessKeyId: KEY, secretAccessKey: SECRET };
const s3 = new aws.S3Client({ endpoint: ENDPOINT, region: REGION, credentials, forcePathStyle: true });
const { hostname, port } = new URL(ENDPOINT);
const minio = new Client({ endPoint: hostname, port: Number(port), useSSL: false, accessKey: KEY, secretKey: SECRET });
const [command, Bucket, ...files] = process.argv.slice(2);

async function read(stream) {
  const pieces = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function refused(command) {
  try {
    await s3.send(command);
  } catch (error) {
    return error.$metadata.httpStatusCode === 304 ? "304" : error.name;
  }
  return "nothing was refused";
}

const commands = {
  async put() {
    for (const Key of files) await s3.send(new aws.PutObjectCommand({ Bucket, Key, Body: readFileSync(`up/${Key}`) }));
  },
  async get() {
    for (const Key of files) {
      const { Body } = await s3.send(new aws.GetObjectCommand({ Bucket, Key }));
      if (!readFileSync(`up/${Key}`).equals(Buffer.from(await Body.transformToByteArray()))) throw new Error(Key);
    }
  },
  async list() {
    const keys = [];
    for await (const page of aws.paginateListObjectsV2({ client: s3, pageSize: 3 }, { Bucket }))
      keys.push(...page.Contents.map((each) => each.Key));
    return keys;
  },
  async upload() {
    const Body = createReadStream(files[0]);
    await new Upload({ client: s3, params: { Bucket, Key: "large.bin", Body, ChecksumAlgorithm: "CRC32C" } }).done();
  },
  async parts() {
    const { UploadId } = await s3.send(new aws.CreateMultipartUploadCommand({ Bucket, Key: "k" }));
    const numbers = [];
    for (const PartNumber of [1, 2])
      await s3.send(new aws.UploadPartCommand({ Bucket, Key: "k", UploadId, PartNumber, Body: "x" }));
    for await (const page of aws.paginateListParts({ client: s3, pageSize: 1 }, { Bucket, Key: "k", UploadId })) {
      numbers.push(...(page.Parts ?? []).map((each) => each.PartNumber));
      if (numbers.length > 2) break;
    }
    return numbers;
  },
  async links() {
    const Key = "a +&ä";
    const link = await getSignedUrl(s3, new aws.PutObjectCommand({ Bucket, Key, Metadata: { colour: "brown" } }));
    await fetch(link, { method: "PUT", body: "a cat" });
    return (await fetch(await getSignedUrl(s3, new aws.GetObjectCommand({ Bucket, Key })))).text();
  },
  async refusals() {
    const { ETag } = await s3.send(new aws.PutObjectCommand({ Bucket, Key: "k", Body: "1" }));
    return [
      await refused(new aws.GetObjectCommand({ Bucket, Key: "none" })),
      await refused(new aws.ListObjectsV2Command({ Bucket: `none.${Bucket}` })),
      await refused(new aws.PutObjectCommand({ Bucket, Key: "k", Body: "2", IfNoneMatch: "*" })),
      await refused(new aws.GetObjectCommand({ Bucket, Key: "k", IfNoneMatch: ETag })),
      await refused(new aws.DeleteBucketCommand({ Bucket })),
    ];
  },
  async minio() {
    for (const key of files) {
      await minio.putObject(Bucket, key, readFileSync(`up/${key}`));
      if (!readFileSync(`up/${key}`).equals(await read(await minio.getObject(Bucket, key)))) throw new Error(key);
    }
    const keys = [];
    for await (const each of minio.listObjectsV2(Bucket, "", true)) keys.push(each.name);
    return keys;
  },
};

console.log("result:", JSON.stringify((await commands[command]()) ?? null));
