"""Amazon Rekognition: one kind of model for each operation, which sends an image and judges words.

`service` asks; each other module knows one operation: its card, and how its answer becomes what a
model says. Opening one of them asks nothing; boto3 is loaded with the first photograph.
"""
