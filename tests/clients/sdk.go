// The AWS SDK for Go 2 and minio-go, driven by test_go.py: sdk COMMAND BUCKET [FILE...]
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/minio/minio-go/v7"
	keys "github.com/minio/minio-go/v7/pkg/credentials"
)

var (
	endpoint, key, secret = os.Getenv("ENDPOINT"), os.Getenv("KEY"), os.Getenv("SECRET")
	background            = context.Background()
)

// A stream of which nobody knows how long it is.
type stream struct{ io.Reader }

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func awsClient() *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: &endpoint, Region: os.Getenv("REGION"), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
	})
}

func minioClient(trailing bool) *minio.Client {
	options := &minio.Options{Creds: keys.NewStaticV4(key, secret, ""), TrailingHeaders: trailing}
	return must(minio.New(strings.TrimPrefix(endpoint, "http://"), options))
}

func code(err error) string {
	var told smithy.APIError
	if errors.As(err, &told) {
		return told.ErrorCode()
	}
	return fmt.Sprint(err)
}

func main() {
	command, bucket, files := os.Args[1], os.Args[2], os.Args[3:]
	client, found := awsClient(), []string{}
	switch command {
	case "aws":
		for _, name := range files {
			content := must(os.ReadFile("up/" + name))
			must(client.PutObject(background, &s3.PutObjectInput{Bucket: &bucket, Key: &name, Body: bytes.NewReader(content)}))
			answer := must(client.GetObject(background, &s3.GetObjectInput{Bucket: &bucket, Key: &name}))
			if !bytes.Equal(must(io.ReadAll(answer.Body)), content) {
				panic(name)
			}
		}
		pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &bucket, MaxKeys: aws.Int32(3)})
		for pages.HasMorePages() {
			for _, each := range must(pages.NextPage(background)).Contents {
				found = append(found, *each.Key)
			}
		}
	case "upload":
		body := stream{must(os.Open(files[0]))}
		input := &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("large.bin"), Body: body}
		must(manager.NewUploader(client).Upload(background, input))
	case "refusals":
		name := "k"
		must(client.PutObject(background, &s3.PutObjectInput{Bucket: &bucket, Key: &name, Body: strings.NewReader("1")}))
		_, noKey := client.GetObject(background, &s3.GetObjectInput{Bucket: &bucket, Key: aws.String("none")})
		_, noBucket := client.ListObjectsV2(background, &s3.ListObjectsV2Input{Bucket: aws.String("none." + bucket)})
		_, there := client.PutObject(background, &s3.PutObjectInput{Bucket: &bucket, Key: &name, IfNoneMatch: aws.String("*")})
		_, full := client.DeleteBucket(background, &s3.DeleteBucketInput{Bucket: &bucket})
		found = []string{code(noKey), code(noBucket), code(there), code(full)}
	case "minio":
		client := minioClient(false)
		for _, name := range files {
			content := must(os.ReadFile("up/" + name))
			must(client.PutObject(background, bucket, name, stream{bytes.NewReader(content)}, -1, minio.PutObjectOptions{PartSize: 5 << 20}))
			if !bytes.Equal(must(io.ReadAll(must(client.GetObject(background, bucket, name, minio.GetObjectOptions{})))), content) {
				panic(name)
			}
		}
		for each := range client.ListObjects(background, bucket, minio.ListObjectsOptions{Recursive: true}) {
			found = append(found, each.Key)
		}
	case "trailers":
		options := minio.PutObjectOptions{Checksum: minio.ChecksumCRC32C, PartSize: 5 << 20}
		must(minioClient(true).FPutObject(background, bucket, "large.bin", files[0], options))
	}
	fmt.Println(string(must(json.Marshal(found))))
}
